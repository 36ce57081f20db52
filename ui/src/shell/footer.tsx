import styles from './shell.module.css';

export function Footer() {
  return (
    <footer className={styles.footer}>
      <div>
        <span>A millrace leads a stream to the wheel.</span>
        <a href="/openapi.json">API</a>
        <a href="/metrics">Metrics</a>
        <a href="/licenses.md">Licences</a>
        <a href="/licenses-fonts.md">Fonts</a>
      </div>
    </footer>
  );
}
