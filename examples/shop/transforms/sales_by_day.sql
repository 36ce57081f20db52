/*
description: Sales by day, place, category and currency, refunds taken off. Add amounts of different currencies by amount_eur only.
interval: 1d
time: dt
columns:
  dt: the day, UTC
  lines: items sold
  orders: orders with such an item; not to be added over categories
  amount_eur: at the rate of each day; NULL when one has no rate
*/
SELECT dt, country, region, category_top, currency,
       count(CASE WHEN kind = 'purchase' THEN 1 END) AS lines,
       count(DISTINCT CASE WHEN kind = 'purchase' THEN coalesce(order_id, CAST(purchase_time AS VARCHAR)) END) AS orders,
       CAST(sum(quantity) AS DECIMAL(18, 4)) AS quantity,
       CAST(sum(amount) AS DECIMAL(18, 4)) AS amount,
       CASE WHEN count(amount) = count(amount_eur) THEN CAST(sum(amount_eur) AS DECIMAL(18, 4)) END AS amount_eur
FROM ref('purchase_items')
WHERE purchase_time >= @start AND purchase_time < @end
GROUP BY dt, country, region, category_top, currency
