/*
description: >
  Every item of the catalogue, and those that only events speak of, by their last name and category. Times are of what happened to it.
columns:
  item_id: one row each
  in_catalogue: it was given by PUT /v1/items; else all is from events
  available: as the catalogue says; NULL for what is not in it
  first_seen: of its first event
  last_seen: of its last event
unique: [item_id]
*/
WITH ordered AS (
  SELECT item_id, item_name, category, category_top, price, currency, event_time,
         row_number() OVER (PARTITION BY item_id
                            ORDER BY event_time NULLS LAST, log_partition NULLS LAST, log_offset NULLS LAST,
                                     event_index NULLS LAST) AS n
  FROM source('item_interactions')
),
seen AS (
  SELECT item_id,
         max_by(item_name, CASE WHEN item_name IS NOT NULL THEN n END) AS name,
         max_by(category, CASE WHEN category IS NOT NULL THEN n END) AS category,
         max_by(category_top, CASE WHEN category_top IS NOT NULL THEN n END) AS category_top,
         max_by(price, CASE WHEN price IS NOT NULL THEN n END) AS price,
         max_by(currency, CASE WHEN currency IS NOT NULL THEN n END) AS currency,
         min(event_time) AS first_seen, max(event_time) AS last_seen
  FROM ordered
  GROUP BY item_id
)
SELECT coalesce(c.item_id, s.item_id) AS item_id, coalesce(c.name, s.name) AS name,
       coalesce(c.category, s.category) AS category, coalesce(c.category_top, s.category_top) AS category_top,
       coalesce(c.price, s.price) AS price, coalesce(c.currency, s.currency) AS currency,
       c.item_id IS NOT NULL AS in_catalogue, c.available, s.first_seen, s.last_seen
FROM source('items') AS c FULL JOIN seen AS s ON s.item_id = c.item_id
