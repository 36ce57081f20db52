/*
description: One row for each visit, of the day it began on.
interval: 1d
time: start_time
lookback: 1
columns:
  visit_id: which visit; page_views, cart_adds and purchases name it
  dt: the day it began on, UTC
  start_time: of its first event
  end_time: of its last event
  source: who sent it
  visitor: person, device or session, as far as known
  customer_id: once the person is known
  device_type: of its first event that has one, as all that follows
  landing_page: path of its first page
  events: how many
unique: [visit_id]
not_null: [visit_id, source]
*/
WITH touched AS (
  SELECT DISTINCT visit_id FROM source('events') WHERE event_time >= @start AND event_time < @end AND visit_id IS NOT NULL
),
ordered AS (
  SELECT e.visit_id, e.event_time, e.source, e.type, e.visitor, e.user_id, e.device_type, e.os, e.browser, e.country,
         e.region, e.city, e.page_path,
         row_number() OVER (PARTITION BY e.visit_id
                            ORDER BY e.event_time NULLS LAST, e.log_partition NULLS LAST, e.log_offset NULLS LAST,
                                     e.event_index NULLS LAST) AS n
  FROM source('events') AS e JOIN touched ON touched.visit_id = e.visit_id
)
SELECT visit_id,
       CAST(min(event_time) AS DATE) AS dt,
       min(event_time) AS start_time,
       max(event_time) AS end_time,
       min(source) AS source,
       max_by(visitor, CASE WHEN visitor IS NOT NULL THEN n END) AS visitor,
       max_by(user_id, CASE WHEN user_id IS NOT NULL THEN n END) AS customer_id,
       min_by(device_type, CASE WHEN device_type IS NOT NULL THEN n END) AS device_type,
       min_by(os, CASE WHEN os IS NOT NULL THEN n END) AS os,
       min_by(browser, CASE WHEN browser IS NOT NULL THEN n END) AS browser,
       min_by(country, CASE WHEN country IS NOT NULL THEN n END) AS country,
       min_by(region, CASE WHEN region IS NOT NULL THEN n END) AS region,
       min_by(city, CASE WHEN city IS NOT NULL THEN n END) AS city,
       min_by(page_path, CASE WHEN page_path IS NOT NULL THEN n END) AS landing_page,
       count(*) AS events,
       count(CASE WHEN type = 'page_view' THEN 1 END) AS page_views,
       count(CASE WHEN type = 'item_view' THEN 1 END) AS item_views,
       count(CASE WHEN type = 'add_to_cart' THEN 1 END) AS cart_adds,
       count(CASE WHEN type = 'purchase' THEN 1 END) AS purchases
FROM ordered
GROUP BY visit_id
