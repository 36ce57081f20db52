import { Button } from '@mantine/core';
import { Icon } from '../brand/icons.tsx';
import { Link, navigate, useLocation } from '../lib/router.tsx';
import { CartPage } from './cart.tsx';
import { PersonChoice } from './person_choice.tsx';
import { ProductPage } from './product.tsx';
import { Rail } from './rail.tsx';
import { ShelfPage } from './shelf.tsx';
import { Trail } from './trail.tsx';
import { useShop, type Shop as ShopState } from './use_shop.ts';
import styles from './shop.module.css';

/** A shop front whose every click is an event, with what it does to the recommendations beside it. */
export default function Shop() {
  const shop = useShop();
  const { cart, person, choosePerson } = shop;
  const { pathname } = useLocation();
  const Name = pathname === '/shop' || pathname.startsWith('/shop/category') ? 'h1' : 'p';
  const pieces = cart.reduce((sum, line) => sum + line.quantity, 0);
  return (
    <div className={styles.shop}>
      <header className={styles.head}>
        <div>
          <Name className={styles.name}>
            <Link href="/shop">The Mill Shop</Link>
          </Name>
          <p className={styles.about}>
            An example. Every click is an event; watch what it does to your recommendations.
          </p>
        </div>
        <div className={styles.tools}>
          <PersonChoice person={person} onChoose={choosePerson} />
          <Button
            variant="default"
            leftSection={<Icon name="cart" />}
            onClick={() => navigate('/shop/cart')}
            aria-label={`Cart, ${pieces} in it`}
            data-testid="cart"
          >
            {pieces}
          </Button>
        </div>
      </header>
      <div className={styles.body}>
        <div className={styles.content}>
          <Page shop={shop} pathname={pathname} />
        </div>
        <div className={styles.side}>
          <Rail shop={shop} />
          <Trail steps={shop.steps} />
        </div>
      </div>
    </div>
  );
}

function Page({ shop, pathname }: { shop: ShopState; pathname: string }) {
  const [, , kind, what] = pathname.split('/');
  if (kind === 'cart') return <CartPage shop={shop} />;
  if (kind === 'item' && what) return <ProductPage shop={shop} id={decodeURIComponent(what)} />;
  return <ShelfPage shop={shop} category={kind === 'category' && what ? decodeURIComponent(what) : undefined} />;
}
