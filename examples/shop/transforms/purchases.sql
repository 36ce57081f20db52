/*
description: >
  One row for each order of a day, and one for what was taken back of it. Rows of an invoice that came one by one are one order; an event
  without an order id is one of its own. An order in two currencies has a row for each.
interval: 1d
time: purchase_time
columns:
  order_id: as the source gave it; NULL when it gave none
  purchase_time: of its first line of that day
  lines: how many items of it were sold or taken back
  kind: purchase or refund
  amount: what they cost; negative in refunds
  amount_eur: at the rate of the day; NULL when a line has none
accepted: {kind: [purchase, refund]}
*/
SELECT min(dt) AS dt, min(purchase_time) AS purchase_time, kind, source, order_id,
       max(visit_id) AS visit_id, max(visitor) AS visitor, max(customer_id) AS customer_id,
       count(*) AS lines, CAST(sum(quantity) AS DECIMAL(18, 4)) AS quantity,
       CAST(sum(amount) AS DECIMAL(18, 4)) AS amount, currency,
       CASE WHEN count(amount) = count(amount_eur) THEN CAST(sum(amount_eur) AS DECIMAL(18, 4)) END AS amount_eur,
       max(country) AS country, max(region) AS region, max(city) AS city
FROM ref('purchase_items')
WHERE purchase_time >= @start AND purchase_time < @end
GROUP BY dt, kind, source, order_id, currency,
         CASE WHEN order_id IS NULL THEN purchase_time END, CASE WHEN order_id IS NULL THEN visitor END
