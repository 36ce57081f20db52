/*
description: One row for each item that was sold or taken back, in the currency of the sale and in EUR at the rate of the day.
interval: 1d
time: purchase_time
columns:
  dt: the day, UTC
  purchase_time: when
  kind: purchase or refund
  order_id: as in purchases
  line: from 1 within the event
  quantity: negative in refunds
  amount: in `currency`; negative in refunds
  amount_eur: at the rate of the day; NULL when fx_rates has none
accepted: {kind: [purchase, refund]}
*/
SELECT l.dt, l.event_time AS purchase_time, l.type AS kind, l.source, l.order_id, l.line, l.visit_id, l.visitor,
       l.user_id AS customer_id, l.item_id, l.item_name, l.category, l.category_top, l.price, l.quantity, l.amount,
       l.currency, CAST(l.amount * r.eur_rate AS DECIMAL(18, 4)) AS amount_eur,
       l.country, l.region, l.city, l.recommendation_id
FROM source('order_lines') AS l
LEFT JOIN ref('fx_rates') AS r
  ON r.currency = l.currency AND l.dt >= r.valid_from AND (l.dt < r.valid_until OR r.valid_until IS NULL)
WHERE l.event_time >= @start AND l.event_time < @end
