/*
description: One row for each item that was put into a cart.
interval: 1d
time: add_time
columns:
  dt: the day, UTC
  add_time: when it was put there
  item_id: as in items
  recommendation_id: the answer that led there, when one did
not_null: [item_id]
*/
SELECT dt, event_time AS add_time, visit_id, visitor, user_id AS customer_id, source, item_id, item_name, category,
       category_top, price, coalesce(quantity, 1) AS quantity, currency, country, region, recommendation_id
FROM source('item_interactions')
WHERE type = 'add_to_cart' AND event_time >= @start AND event_time < @end
