import { Link } from '../lib/router.tsx';
import styles from './shell.module.css';

export function NotFound() {
  return (
    <div className={styles.notFound}>
      <h1>No such page</h1>
      <p>
        Nothing is here. <Link href="/">To the overview</Link>
      </p>
    </div>
  );
}
