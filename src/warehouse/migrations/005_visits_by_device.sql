-- Computed when read, as the visits are: kept up with every load, a row for each visit cost as much as the facts.
CREATE VIEW visits_by_device AS
  SELECT date_trunc('hour', start_time) AS window_start, date_trunc('hour', start_time) + INTERVAL 1 HOUR AS window_end,
         coalesce(device_type, 'unknown') AS device, count(*) AS visits,
         CAST(sum(events) AS BIGINT) AS events, CAST(sum(purchases) AS BIGINT) AS purchases
  FROM visits GROUP BY ALL;
