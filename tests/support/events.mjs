// A stream of events with all that makes loading hard, and what is in the tables afterwards.
import assert from 'node:assert/strict';

/**
 * Event `i`: every 20th repeats an earlier one, every 50th is an order of which some come twice, every 97th happened
 * two hours before, one in 20,000 fits no column.
 */
export function event(i) {
  const type = ['page_view', 'item_view', 'list_view', 'add_to_cart', 'read'][i % 5];
  const time = new Date(1_752_000_000_000 + i * 40 - (i % 97 === 96 ? 7_200_013 : 0)).toISOString();
  const who = { anonymous_id: `a${i % 3_000}`, event_time: time };
  if (i % 20 === 19) return { ...event(i - 13), event_time: time };
  if (i % 20_000 === 7) {
    const items = [{ item_id: 'p1', price: '90000000000000', quantity: '1000000' }];
    return { type: 'purchase', message_id: `m${i}`, ...who, items, order: { order_id: `huge${i}` } };
  }
  if (i % 50 === 0) {
    const order = i % 40_000;
    const items = [{ item_id: `p${order % 70}`, price: '2.50', quantity: 2 }, { item_id: 'p1', price: '1.25' }];
    const by = { ...who, anonymous_id: `a${order % 3_000}` }; // in one partition, where it is certain which comes first
    return { type: 'purchase', message_id: `m${i}`, ...by, items, order: { order_id: `o${order}`, revenue: '6.25' } };
  }
  const items = [{ item_id: `p${i % 90}` }, { item_id: `p${i % 7}` }].slice(0, type === 'list_view' ? 2 : 1);
  return { type, message_id: `m${i}`, ...who, items: type === 'page_view' ? [] : items };
}

/** What a project needs to let batches of `batch` events in. */
export const largeBatches = 'collect: {batch_bytes_max: 16MB, body_bytes_max: 16MB}\n';
export const batch = 5_000;

/** Send the events from `from` up to `to`, in large batches. */
export async function sendEvents(server, from, to) {
  for (let i = from; i < to; i += batch) {
    const size = Math.min(batch, to - i);
    const answer = await server.post('/v1/events', Array.from({ length: size }, (_, k) => event(i + k)));
    assert.equal(answer.status, 200, await answer.clone().text());
    assert.equal((await answer.json()).accepted, size);
  }
}

export const factTables = ['events', 'order_lines', 'event_items', 'quarantine', 'visits', '_books', '_offsets'];
export const aggregations = ['page_views_per_minute', 'page_views_by_page', 'sales_by_hour', 'item_popularity', 'visits_by_device'];

/** What is in each table of a schema: its number of rows and the sum of their hashes, in which no order counts. */
export async function tables(server, schema = 'main', names = factTables) {
  const found = {};
  for (const name of names) {
    const columns = name === 'quarantine' ? '* EXCLUDE (first_attempt_time, last_attempt_time)' : '*';
    [found[name]] = await server.sql(`SELECT count(*), sum(hash(t)::HUGEINT)::VARCHAR FROM (SELECT ${columns} FROM ${schema}.${name}) t`);
  }
  return found;
}
