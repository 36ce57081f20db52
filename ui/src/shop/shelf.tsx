import { Button, Skeleton } from '@mantine/core';
import { useEffect, useState } from 'react';
import { ErrorNote } from '../components/error_note.tsx';
import { categoryPath, counted } from '../lib/format.ts';
import { Link } from '../lib/router.tsx';
import { Art } from './art.tsx';
import { topCategories, useShelf } from './catalogue.ts';
import { EmptyShop } from './empty_shop.tsx';
import { listSeen, pageSeen } from './messages.ts';
import { Price } from './price.tsx';
import { isAvailable, type Item, nameOf } from './types.ts';
import type { Shop } from './use_shop.ts';
import styles from './shelf.module.css';

export const categoryHref = (category: string): string => `/shop/category/${encodeURIComponent(category)}`;

/** The shop's front, or one category of it. */
export function ShelfPage({ shop, category }: { shop: Shop; category: string | undefined }) {
  const shelf = useShelf(category);
  const { arrive, person } = shop;
  const loaded = shelf.state === 'ready';

  useEffect(() => {
    if (!loaded) return;
    const title = category ?? 'All things';
    const place = { path: category ? categoryHref(category) : '/shop', title, placement: 'home' as const, items: [] };
    arrive(place, category ? `Browsed ${category}` : 'Came into the shop', (scene) =>
      category ? [pageSeen(scene), listSeen(scene, category, shelf.items)] : [pageSeen(scene)],
    );
    // Sent once for each shelf and person, not again when more of it is shown.
  }, [loaded, category, person]);

  if (loaded && shelf.items.length === 0 && !category) return <EmptyShop onStocked={shelf.reload} />;
  return (
    <>
      <Categories now={category} />
      {shelf.state === 'failed' && (
        <div className={styles.failed}>
          <ErrorNote retry={shelf.reload}>The shelves cannot be reached.</ErrorNote>
        </div>
      )}
      <ul className={styles.grid} aria-busy={shelf.state === 'loading'} data-testid="shelf">
        {shelf.items.map((item) => (
          <Tile key={item.id} item={item} />
        ))}
        {shelf.state === 'loading' && <TilesToCome />}
      </ul>
      {loaded && shelf.items.length === 0 && <p className={styles.notice}>Nothing stands on this shelf.</p>}
      {shelf.more && (
        <Button variant="default" className={styles.more} onClick={shelf.more}>
          Show more than these {counted(shelf.items.length, 'thing')}
        </Button>
      )}
    </>
  );
}

function Categories({ now }: { now: string | undefined }) {
  const [categories, setCategories] = useState<string[]>([]);
  useEffect(() => {
    topCategories().then(setCategories, () => setCategories([]));
  }, []);
  return (
    <nav className={styles.categories} aria-label="Categories">
      <Link href="/shop" aria-current={now ? undefined : 'page'}>
        All
      </Link>
      {categories.map((category) => (
        <Link key={category} href={categoryHref(category)} aria-current={category === now ? 'page' : undefined}>
          {category}
        </Link>
      ))}
    </nav>
  );
}

/** The shape of a first row of things. */
function TilesToCome() {
  return Array.from({ length: 8 }, (_, i) => (
    <li key={i} className={styles.tile} aria-hidden="true">
      <Skeleton className={styles.picture} radius={12} />
      <Skeleton height={14} width="70%" mb={7} />
      <Skeleton height={12} width="90%" />
    </li>
  ));
}

export function Tile({ item }: { item: Item }) {
  return (
    <li className={styles.tile} data-item={item.id}>
      <Link href={`/shop/item/${encodeURIComponent(item.id)}`}>
        <span className={styles.picture}>
          <Art id={item.id} name={nameOf(item)} />
        </span>
        <span className={styles.name} title={nameOf(item)}>
          {nameOf(item)}
        </span>
        <span className={styles.line}>
          <span>{item.attributes.category ? categoryPath(item.attributes.category).split(' › ').at(-1) : ''}</span>
          {isAvailable(item) ? <Price item={item} /> : <em>sold out</em>}
        </span>
      </Link>
    </li>
  );
}
