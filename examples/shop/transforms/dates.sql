/*
description: Every day from the first event to the last, to join with, so that days without events show too.
columns:
  dt: the day, UTC
  year: of the calendar
  quarter: 1 to 4
  month: 1 to 12
  day: of the month
  weekday: 1 is Monday, 7 Sunday
  is_weekend: Saturday and Sunday
  month_start: the first day of its month
unique: [dt]
*/
WITH digits AS (
  SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
  UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9
),
numbers AS (
  SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n
  FROM digits AS a CROSS JOIN digits AS b CROSS JOIN digits AS c CROSS JOIN digits AS e CROSS JOIN digits AS f
  WHERE f.d < 3
),
-- A Monday, so that n tells the day of the week.
days AS (SELECT n, CAST(DATE '1990-01-01' + n * INTERVAL '1' DAY AS DATE) AS dt FROM numbers),
known AS (SELECT min(dt) AS first_day, max(dt) AS last_day FROM source('events'))
SELECT days.dt,
       CAST(extract(YEAR FROM days.dt) AS BIGINT) AS year,
       CAST(extract(QUARTER FROM days.dt) AS BIGINT) AS quarter,
       CAST(extract(MONTH FROM days.dt) AS BIGINT) AS month,
       CAST(extract(DAY FROM days.dt) AS BIGINT) AS day,
       CAST(days.n % 7 + 1 AS BIGINT) AS weekday,
       days.n % 7 >= 5 AS is_weekend,
       CAST(date_trunc('month', days.dt) AS DATE) AS month_start
FROM days CROSS JOIN known
WHERE days.dt >= known.first_day AND days.dt <= known.last_day
