import { Card } from '../components/card.tsx';
import { Empty } from '../components/empty.tsx';
import { categoryPath, shortCount } from '../lib/format.ts';
import { type PopularItem, type Snapshot, windowWords } from './types.ts';
import styles from './popular.module.css';

const shownMax = 8;

/** What people look at, put into their cart, and buy. */
export function Popular({ snapshot }: { snapshot: Snapshot }) {
  const { popular_items: items, window } = snapshot;
  const most = Math.max(1, ...items.map((item) => item.views));
  return (
    <Card title="Most popular items" note={`In ${windowWords(window)}`}>
      {items.length === 0 ? (
        <Empty>Nobody looked at an item in {windowWords(window)}.</Empty>
      ) : (
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">Item</th>
              <th scope="col">Views</th>
              <th scope="col">In cart</th>
              <th scope="col">Bought</th>
            </tr>
          </thead>
          <tbody>
            {items.slice(0, shownMax).map((item) => (
              <Row key={item.item_id} item={item} share={item.views / most} />
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}

function Row({ item, share }: { item: PopularItem; share: number }) {
  return (
    <tr>
      <th scope="row">
        <span className={styles.bar} style={{ width: `${share * 100}%` }} aria-hidden="true" />
        <span className={styles.name} title={item.name || item.item_id}>
          {item.name || item.item_id}
        </span>
        <span className={styles.category}>
          {item.category ? categoryPath(item.category) : item.name ? item.item_id : ' '}
        </span>
      </th>
      <td className={styles.views}>{shortCount(item.views)}</td>
      <td>{shortCount(item.carts)}</td>
      <td>{shortCount(item.purchases)}</td>
    </tr>
  );
}
