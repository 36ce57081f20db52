import { useEffect, useRef } from 'react';
import { Link } from '../lib/router.tsx';
import { type Page, pages } from '../pages.ts';
import { ConnectionSign } from './connection_sign.tsx';
import { SchemeSwitch } from './scheme_switch.tsx';
import styles from './shell.module.css';

/** The pages, how we stand with the server, and the look. On narrow screens the pages have a row of their own. */
export function Header({ current }: { current: Page | undefined }) {
  return (
    <header className={styles.header}>
      <div className={styles.bar}>
        <Link href="/" className={styles.brand} aria-label="Millrace, to the overview">
          <img src="/logo.svg" alt="" width="30" height="30" />
          <span>Millrace</span>
        </Link>
        <Navigation current={current} />
        <div className={styles.tools}>
          <ConnectionSign />
          <SchemeSwitch />
        </div>
      </div>
    </header>
  );
}

function Navigation({ current }: { current: Page | undefined }) {
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // With many pages the row scrolls sideways: keep the current one in sight, without moving the page.
    const link = nav.current?.querySelector<HTMLElement>('[aria-current]');
    if (link) nav.current!.scrollLeft = link.offsetLeft - (nav.current!.clientWidth - link.offsetWidth) / 2;
  }, [current]);
  return (
    <nav ref={nav} className={styles.nav} aria-label="Pages">
      {pages.map((page) => (
        <Link key={page.path} href={page.path} aria-current={page === current ? 'page' : undefined}>
          {page.name}
        </Link>
      ))}
    </nav>
  );
}
