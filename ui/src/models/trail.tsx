import { Link } from '../lib/router.tsx';
import { pathOf } from './types.ts';
import styles from './models.module.css';

/** Where one is below Models, and the way back. */
export function Trail({ name, version }: { name: string; version?: string }) {
  return (
    <nav aria-label="Where you are" className={styles.trail}>
      <Link href="/models">Models</Link>
      <span aria-hidden="true">›</span>
      {version === undefined ? <span aria-current="page">{name}</span> : <Link href={pathOf(name)}>{name}</Link>}
      {version !== undefined && (
        <>
          <span aria-hidden="true">›</span>
          <span aria-current="page">version {version}</span>
        </>
      )}
    </nav>
  );
}
