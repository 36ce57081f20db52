-- Every column is explained in docs/schema.md. The order of columns is the order in which the loader writes them.

CREATE TABLE events (
  dt DATE NOT NULL, event_time TIMESTAMP NOT NULL, received_time TIMESTAMP NOT NULL,
  source VARCHAR, type VARCHAR NOT NULL, message_id VARCHAR NOT NULL,
  visitor VARCHAR, user_id VARCHAR, anonymous_id VARCHAR, session_id VARCHAR, visit_id UBIGINT,
  page_path VARCHAR, page_url VARCHAR, page_title VARCHAR, page_referrer VARCHAR,
  search_query VARCHAR, list_id VARCHAR,
  item_count INTEGER NOT NULL, item_id VARCHAR, item_name VARCHAR, category VARCHAR, category_top VARCHAR,
  brand VARCHAR, variant VARCHAR, price DECIMAL(18,4), quantity DECIMAL(18,4), currency VARCHAR,
  position INTEGER, in_cart BOOLEAN,
  order_id VARCHAR, order_total DECIMAL(18,4), order_revenue DECIMAL(18,4), order_shipping DECIMAL(18,4),
  order_tax DECIMAL(18,4), order_discount DECIMAL(18,4), coupon VARCHAR,
  value DOUBLE, recommendation_id VARCHAR,
  device_type VARCHAR, os VARCHAR, browser VARCHAR, user_agent VARCHAR, ip VARCHAR, locale VARCHAR,
  country VARCHAR, region VARCHAR, city VARCHAR, postal_code VARCHAR, latitude DOUBLE, longitude DOUBLE,
  properties VARCHAR,
  log_topic VARCHAR NOT NULL, log_partition INTEGER NOT NULL, log_offset BIGINT NOT NULL, event_index INTEGER NOT NULL
);

CREATE TABLE order_lines (
  dt DATE NOT NULL, event_time TIMESTAMP NOT NULL, received_time TIMESTAMP NOT NULL,
  source VARCHAR, type VARCHAR NOT NULL, order_id VARCHAR, line INTEGER NOT NULL,
  item_id VARCHAR, item_name VARCHAR, category VARCHAR, category_top VARCHAR, brand VARCHAR, variant VARCHAR,
  price DECIMAL(18,4), quantity DECIMAL(18,4), amount DECIMAL(18,4), currency VARCHAR,
  visitor VARCHAR, user_id VARCHAR, anonymous_id VARCHAR, session_id VARCHAR, visit_id UBIGINT,
  device_type VARCHAR, country VARCHAR, region VARCHAR, city VARCHAR, recommendation_id VARCHAR,
  log_topic VARCHAR NOT NULL, log_partition INTEGER NOT NULL, log_offset BIGINT NOT NULL, event_index INTEGER NOT NULL
);

CREATE TABLE event_items (
  dt DATE NOT NULL, event_time TIMESTAMP NOT NULL, received_time TIMESTAMP NOT NULL,
  source VARCHAR, type VARCHAR NOT NULL, item_index INTEGER NOT NULL,
  item_id VARCHAR, item_name VARCHAR, category VARCHAR, category_top VARCHAR, brand VARCHAR, variant VARCHAR,
  price DECIMAL(18,4), quantity DECIMAL(18,4), currency VARCHAR, position INTEGER, in_cart BOOLEAN, list_id VARCHAR,
  visitor VARCHAR, user_id VARCHAR, anonymous_id VARCHAR, session_id VARCHAR, visit_id UBIGINT,
  device_type VARCHAR, country VARCHAR, region VARCHAR, city VARCHAR, recommendation_id VARCHAR,
  log_topic VARCHAR NOT NULL, log_partition INTEGER NOT NULL, log_offset BIGINT NOT NULL, event_index INTEGER NOT NULL
);

CREATE TABLE items (
  item_id VARCHAR NOT NULL, name VARCHAR, category VARCHAR, category_top VARCHAR, price DECIMAL(18,4), currency VARCHAR,
  available BOOLEAN NOT NULL, attributes VARCHAR, updated_time TIMESTAMP NOT NULL,
  log_topic VARCHAR NOT NULL, log_partition INTEGER NOT NULL, log_offset BIGINT NOT NULL, event_index INTEGER NOT NULL
);

CREATE TABLE users (
  user_id VARCHAR NOT NULL, country VARCHAR, region VARCHAR, city VARCHAR, attributes VARCHAR,
  updated_time TIMESTAMP NOT NULL,
  log_topic VARCHAR NOT NULL, log_partition INTEGER NOT NULL, log_offset BIGINT NOT NULL, event_index INTEGER NOT NULL
);

CREATE TABLE recommendations (
  dt DATE NOT NULL, served_time TIMESTAMP NOT NULL, recommendation_id VARCHAR NOT NULL, kind VARCHAR,
  user_id VARCHAR, session_id VARCHAR, placement VARCHAR, model VARCHAR, fallback VARCHAR, latency_us BIGINT,
  position INTEGER NOT NULL, item_id VARCHAR, score DOUBLE, candidate_source VARCHAR,
  reason_code VARCHAR, reason_text VARCHAR, because VARCHAR, request VARCHAR,
  log_topic VARCHAR NOT NULL, log_partition INTEGER NOT NULL, log_offset BIGINT NOT NULL, event_index INTEGER NOT NULL
);

CREATE TABLE quarantine (
  dt DATE NOT NULL, received_time TIMESTAMP NOT NULL, stage VARCHAR, code VARCHAR, message VARCHAR, where_ VARCHAR,
  source VARCHAR, codec VARCHAR, ip VARCHAR, first_attempt_time TIMESTAMP, last_attempt_time TIMESTAMP,
  events BIGINT NOT NULL, raw BLOB,
  log_topic VARCHAR NOT NULL, log_partition INTEGER NOT NULL, log_offset BIGINT NOT NULL, event_index INTEGER NOT NULL
);

CREATE TABLE _offsets (log_topic VARCHAR NOT NULL, log_partition INTEGER NOT NULL, next_offset BIGINT NOT NULL);
CREATE TABLE _books (
  log_topic VARCHAR NOT NULL, log_partition INTEGER NOT NULL,
  applied BIGINT NOT NULL, duplicate BIGINT NOT NULL, quarantined BIGINT NOT NULL
);

CREATE VIEW item_interactions AS
  SELECT dt, event_time, source, type, visitor, user_id, anonymous_id, session_id, visit_id, item_id, item_name,
         category, category_top, price, quantity, currency, order_id, value, in_cart, country, region,
         recommendation_id, log_topic, log_partition, log_offset, event_index
  FROM events WHERE item_id IS NOT NULL AND type NOT IN ('purchase', 'refund')
  UNION ALL
  SELECT dt, event_time, source, type, visitor, user_id, anonymous_id, session_id, visit_id, item_id, item_name,
         category, category_top, price, quantity, currency, NULL, NULL, in_cart, country, region,
         recommendation_id, log_topic, log_partition, log_offset, event_index
  FROM event_items WHERE item_id IS NOT NULL
  UNION ALL
  SELECT dt, event_time, source, type, visitor, user_id, anonymous_id, session_id, visit_id, item_id, item_name,
         category, category_top, price, quantity, currency, order_id, NULL, false, country, region,
         recommendation_id, log_topic, log_partition, log_offset, event_index
  FROM order_lines WHERE item_id IS NOT NULL;

CREATE VIEW visits AS
  SELECT visit_id, CAST(min(event_time) AS DATE) AS dt, any_value(source) AS source,
         coalesce(arg_max(user_id, event_time), arg_min(anonymous_id, event_time), arg_min(session_id, event_time))
           AS visitor,
         arg_max(user_id, event_time) AS user_id, arg_min(anonymous_id, event_time) AS anonymous_id,
         any_value(session_id) AS session_id,
         min(event_time) AS start_time, max(event_time) AS end_time,
         epoch(max(event_time) - min(event_time)) AS duration_s,
         count(*) AS events, count(*) FILTER (type = 'page_view') AS page_views,
         count(*) FILTER (type = 'item_view') AS item_views, count(*) FILTER (type = 'add_to_cart') AS carts,
         count(*) FILTER (type = 'purchase') AS purchases,
         arg_min(page_path, event_time) AS landing_page,
         arg_min(device_type, event_time) AS device_type, arg_min(os, event_time) AS os,
         arg_min(browser, event_time) AS browser, arg_min(user_agent, event_time) AS user_agent,
         arg_min(country, event_time) AS country, arg_min(region, event_time) AS region,
         arg_min(city, event_time) AS city,
         arg_min(latitude, event_time) AS latitude, arg_min(longitude, event_time) AS longitude
  FROM events WHERE visit_id IS NOT NULL GROUP BY visit_id;
