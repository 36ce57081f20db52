/*
description: Sales of each item by month and currency, with its name and category of today.
columns:
  month_start: the first day of the month
  item_id: as in items
  amount_eur: at the rate of each day; NULL when one has no rate
*/
SELECT CAST(date_trunc('month', p.dt) AS DATE) AS month_start, p.item_id, i.name, i.category, p.currency,
       count(CASE WHEN p.kind = 'purchase' THEN 1 END) AS lines,
       CAST(sum(p.quantity) AS DECIMAL(18, 4)) AS quantity,
       CAST(sum(p.amount) AS DECIMAL(18, 4)) AS amount,
       CASE WHEN count(p.amount) = count(p.amount_eur) THEN CAST(sum(p.amount_eur) AS DECIMAL(18, 4)) END AS amount_eur
FROM ref('purchase_items') AS p LEFT JOIN ref('items') AS i ON i.item_id = p.item_id
WHERE p.item_id IS NOT NULL
GROUP BY CAST(date_trunc('month', p.dt) AS DATE), p.item_id, i.name, i.category, p.currency
