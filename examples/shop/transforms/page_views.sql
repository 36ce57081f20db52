/*
description: One row for each page that somebody looked at.
interval: 1d
time: view_time
columns:
  dt: the day, UTC
  view_time: when it was opened
  visit_id: the visit it is part of
  page: path, else address
  referrer: address of the page before
not_null: [view_time]
*/
SELECT dt, event_time AS view_time, visit_id, visitor, user_id AS customer_id, source,
       coalesce(page_path, page_url) AS page, page_title AS title, page_referrer AS referrer,
       device_type, country, region, city
FROM source('events')
WHERE type = 'page_view' AND event_time >= @start AND event_time < @end
