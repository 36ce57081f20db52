import { MantineProvider } from '@mantine/core';
import { lazy, Suspense, useEffect } from 'react';
import { useLocation } from './lib/router.tsx';
import { pageAt, pages } from './pages.ts';
import { Footer } from './shell/footer.tsx';
import { Header } from './shell/header.tsx';
import { PageBoundary } from './shell/page_boundary.tsx';
import { NotFound } from './shell/not_found.tsx';
import { schemeManager, theme } from './theme.ts';
import styles from './shell/shell.module.css';

const components = new Map(pages.map((page) => [page, lazy(page.load)]));

/** The frame around every page. */
export function App() {
  const page = pageAt(useLocation().pathname);
  const Content = (page && components.get(page)) ?? NotFound;
  const name = page?.name ?? 'No such page';
  useEffect(() => {
    document.title = `${name} · Millrace`;
  }, [name]);
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" colorSchemeManager={schemeManager}>
      <a href="#main" className="skip">
        Skip to the content
      </a>
      <Header current={page} />
      <main id="main" className={styles.main} tabIndex={-1}>
        <PageBoundary key={page?.path}>
          <Suspense fallback={null}>
            <Content />
          </Suspense>
        </PageBoundary>
      </main>
      <Footer />
    </MantineProvider>
  );
}
