import { ActionIcon, Button } from '@mantine/core';
import { useEffect, useState } from 'react';
import { Icon } from '../brand/icons.tsx';
import { money } from '../lib/format.ts';
import { Link } from '../lib/router.tsx';
import { Art } from './art.tsx';
import { itemById, knownItem } from './catalogue.ts';
import { byCurrency, pageSeen, totalOf } from './messages.ts';
import { Price } from './price.tsx';
import { type CartLine, nameOf } from './types.ts';
import type { Shop } from './use_shop.ts';
import styles from './cart.module.css';

/** What is in the cart, and the button that buys it. */
export function CartPage({ shop }: { shop: Shop }) {
  const { cart, person, arrive, remove, buy } = shop;
  const [bought, setBought] = useState(false);
  const ready = useItemsOf(cart);
  useEffect(() => {
    if (!ready) return;
    const place = { path: '/shop/cart', title: 'Cart', placement: 'cart' as const, items: cart.map((line) => line.id) };
    arrive(place, 'Looked into the cart', (scene) => [pageSeen(scene)]);
  }, [ready, person]);

  const buyAll = () => {
    setBought(true);
    void buy(cart);
  };
  if (cart.length === 0) return <Empty bought={bought} />;
  return (
    <>
      <h1 className={styles.title}>Cart</h1>
      <ul className={styles.lines}>
        {cart.map((line) => (
          <Line
            key={line.id}
            line={line}
            onRemove={() => remove(knownItem(line.id) ?? { id: line.id, attributes: {} })}
          />
        ))}
      </ul>
      <div className={styles.foot}>
        <p className={styles.total}>{totals(cart)}</p>
        <Button size="md" onClick={buyAll}>
          Buy everything
        </Button>
      </div>
    </>
  );
}

/** One sum for each currency. */
function totals(cart: CartLine[]): string {
  const groups = [...byCurrency(cart, knownItem)];
  return groups
    .map(([currency, lines]) =>
      money(totalOf(lines.map(({ item, quantity }) => ({ price: item.attributes.price, quantity }))), currency),
    )
    .join(' and ');
}

/** True once everything in the cart is known by name and price. */
function useItemsOf(cart: CartLine[]): boolean {
  const [ready, setReady] = useState(false);
  useEffect(() => {
    void Promise.all(cart.map((line) => itemById(line.id))).then(() => setReady(true));
  }, [cart]);
  return ready;
}

function Line({ line, onRemove }: { line: CartLine; onRemove: () => void }) {
  const item = knownItem(line.id) ?? { id: line.id, attributes: {} };
  return (
    <li className={styles.line}>
      <span className={styles.picture}>
        <Art id={item.id} name={nameOf(item)} />
      </span>
      <Link href={`/shop/item/${encodeURIComponent(item.id)}`}>{nameOf(item)}</Link>
      <span className="figures">
        {line.quantity > 1 && `${line.quantity} × `}
        <Price item={item} />
      </span>
      <ActionIcon variant="subtle" color="gray" size="lg" aria-label={`Remove ${nameOf(item)}`} onClick={onRemove}>
        <Icon name="close" size={16} />
      </ActionIcon>
    </li>
  );
}

function Empty({ bought }: { bought: boolean }) {
  return (
    <div className={styles.empty} role="status">
      <h1 className={styles.title}>{bought ? 'Thank you' : 'The cart is empty'}</h1>
      <p>
        {bought
          ? 'It was play money, but a real order: see it on the dashboard.'
          : 'Put something into it, and see what is recommended with it.'}
      </p>
      <p className={styles.links}>
        <Link href="/shop">Back to the shop</Link>
        {bought && <Link href="/">To the dashboard</Link>}
      </p>
    </div>
  );
}
