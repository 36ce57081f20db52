import { Button, Skeleton } from '@mantine/core';
import { useEffect, useState } from 'react';
import { Icon } from '../brand/icons.tsx';
import { categoryPath } from '../lib/format.ts';
import { Link } from '../lib/router.tsx';
import { Art } from './art.tsx';
import { itemById, knownItem, similarTo } from './catalogue.ts';
import { itemSeen, pageSeen } from './messages.ts';
import { Price } from './price.tsx';
import { categoryHref, Tile } from './shelf.tsx';
import { isAvailable, type Item, nameOf, topOf } from './types.ts';
import type { Shop } from './use_shop.ts';
import styles from './product.module.css';

/** One product, and what can be done with it. Coming here is what a recommender learns most from. */
export function ProductPage({ shop, id }: { shop: Shop; id: string }) {
  const item = useItem(id);
  const { arrive, person } = shop;
  useEffect(() => {
    if (!item) return;
    const place = {
      path: `/shop/item/${encodeURIComponent(item.id)}`,
      title: nameOf(item),
      placement: 'item' as const,
      items: [item.id],
    };
    arrive(place, `Looked at ${nameOf(item)}`, (scene) => [pageSeen(scene), itemSeen(scene, item)]);
  }, [item, person]);

  if (item === undefined) return <Skeleton height={420} radius={14} />;
  if (item === null) return <Gone id={id} />;
  return (
    <>
      <Product shop={shop} item={item} />
      <Similar id={item.id} />
    </>
  );
}

/** What goes with the item for anybody, whoever is looking. Nothing while nothing is known. */
function Similar({ id }: { id: string }) {
  const [similar, setSimilar] = useState<{ id: string; items: Item[] }>();
  useEffect(() => {
    similarTo(id).then(
      (items) => setSimilar({ id, items }),
      () => setSimilar(undefined),
    );
  }, [id]);
  if (similar?.id !== id || similar.items.length === 0) return null;
  return (
    <section className={styles.similar} aria-labelledby="similar">
      <h2 id="similar">Goes with it</h2>
      <ul>
        {similar.items.map((item) => (
          <Tile key={item.id} item={item} />
        ))}
      </ul>
    </section>
  );
}

/** The item; undefined while it is fetched, null when there is none of this id. */
function useItem(id: string): Item | null | undefined {
  const [found, setFound] = useState<{ id: string; item: Item | null }>();
  useEffect(() => {
    void itemById(id).then((item) => setFound({ id, item: item ?? null }));
  }, [id]);
  return found?.id === id ? found.item : knownItem(id);
}

function Product({ shop, item }: { shop: Shop; item: Item }) {
  const { cart, add, buy } = shop;
  const [bought, setBought] = useState<string>();
  const inCart = cart.find((line) => line.id === item.id)?.quantity ?? 0;
  const buyNow = () => {
    setBought(item.id);
    void buy([{ id: item.id, quantity: Math.max(1, inCart) }]);
  };
  return (
    <article className={styles.product}>
      <div className={styles.picture}>
        <Art id={item.id} name={nameOf(item)} />
      </div>
      <div className={styles.words}>
        {topOf(item) && (
          <Link href={categoryHref(topOf(item))} className={styles.back}>
            <Icon name="back" size={16} /> {categoryPath(item.attributes.category ?? '')}
          </Link>
        )}
        <h1 data-testid="product">{nameOf(item)}</h1>
        <p className={styles.price}>
          <Price item={item} />
        </p>
        {isAvailable(item) ? (
          <div className={styles.actions}>
            <Button size="md" leftSection={<Icon name="cart" />} onClick={() => add(item)}>
              {inCart > 0 ? `Add another (${inCart} in cart)` : 'Add to cart'}
            </Button>
            <Button size="md" variant="default" onClick={buyNow}>
              Buy now
            </Button>
          </div>
        ) : (
          <p>Sold out. It is not recommended to anyone while it is.</p>
        )}
        <p className={styles.thanks} role="status">
          {bought === item.id && 'Bought, in play money. It will not be recommended to you again.'}
        </p>
        <p className={styles.id}>{item.id}</p>
      </div>
    </article>
  );
}

function Gone({ id }: { id: string }) {
  return (
    <div>
      <h1>No such thing</h1>
      <p>
        The catalogue has nothing with the id “{id}”. <Link href="/shop">Back to the shop</Link>
      </p>
    </div>
  );
}
