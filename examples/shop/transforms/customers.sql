/*
description: >
  What was known of each customer, and from when until when: a new row whenever an event of theirs names another place. Millrace keeps of
  its table `users` the present only, so `attributes` and places that never came with an event stand in the row that holds now; what
  `users` said before is not kept.
columns:
  customer_id: the user id of events, or of `users`
  valid_from: of the first event that says so, or when `users` was told of one without events
  valid_until: of the first event that says otherwise; NULL in the row that holds now
  is_current: the row that holds now, one for each customer
  attributes: as sent to `users` last, a JSON object; NULL in rows of the past
unique: [[customer_id, valid_from]]
*/
WITH told AS (
  SELECT user_id, event_time, country, region, city,
         row_number() OVER (PARTITION BY user_id, event_time
                            ORDER BY log_partition NULLS LAST, log_offset NULLS LAST, event_index NULLS LAST) AS n
  FROM source('events')
  WHERE user_id IS NOT NULL AND (country IS NOT NULL OR region IS NOT NULL OR city IS NOT NULL)
),
places AS (
  SELECT user_id, event_time, country, region, city,
         coalesce(country, '') || '/' || coalesce(region, '') || '/' || coalesce(city, '') AS place
  FROM told WHERE n = 1
),
compared AS (
  SELECT user_id, event_time, country, region, city, place,
         lag(place) OVER (PARTITION BY user_id ORDER BY event_time NULLS LAST) AS place_before
  FROM places
),
changes AS (
  SELECT user_id, event_time AS valid_from, country, region, city,
         lead(event_time) OVER (PARTITION BY user_id ORDER BY event_time NULLS LAST) AS valid_until
  FROM compared WHERE place_before IS NULL OR place_before <> place
)
SELECT coalesce(h.user_id, u.user_id) AS customer_id,
       coalesce(h.valid_from, u.updated_time) AS valid_from, h.valid_until,
       h.valid_until IS NULL AS is_current,
       coalesce(h.country, u.country) AS country, coalesce(h.region, u.region) AS region, coalesce(h.city, u.city) AS city,
       u.attributes
FROM changes AS h FULL JOIN source('users') AS u ON u.user_id = h.user_id AND h.valid_until IS NULL
