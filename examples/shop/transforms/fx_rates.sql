/*
description: >
  How many EUR one unit of a currency is worth, from a day until the next line of the same currency. The rates here are examples:
  put those of your bank or of the European Central Bank in their place. A day before a currency's first line has no rate.
columns:
  currency: ISO 4217
  valid_from: the first day
  valid_until: the first day no more; NULL while it holds
  eur_rate: EUR for one unit
unique: [[currency, valid_from]]
not_null: [currency, valid_from, eur_rate]
*/
SELECT currency, valid_from,
       lead(valid_from) OVER (PARTITION BY currency ORDER BY valid_from NULLS LAST) AS valid_until, eur_rate
FROM (SELECT 'EUR' AS currency, DATE '1999-01-01' AS valid_from, CAST(1 AS DECIMAL(12, 6)) AS eur_rate
      UNION ALL SELECT 'GBP', DATE '2009-01-01', CAST(1.15 AS DECIMAL(12, 6))
      UNION ALL SELECT 'GBP', DATE '2011-07-01', CAST(1.12 AS DECIMAL(12, 6))
      UNION ALL SELECT 'USD', DATE '2009-01-01', CAST(0.75 AS DECIMAL(12, 6))
      UNION ALL SELECT 'USD', DATE '2015-01-01', CAST(0.90 AS DECIMAL(12, 6))
      UNION ALL SELECT 'CHF', DATE '2009-01-01', CAST(0.66 AS DECIMAL(12, 6))
      UNION ALL SELECT 'CHF', DATE '2015-01-15', CAST(0.95 AS DECIMAL(12, 6))) AS rates
