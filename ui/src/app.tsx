import { ActionIcon, MantineProvider, Menu, useMantineColorScheme } from '@mantine/core';
import { lazy, Suspense, useEffect } from 'react';
import { Icon, type IconName } from './brand/icons.tsx';
import Dashboard from './dashboard/dashboard.tsx';
import { Link, useLocation } from './lib/router.tsx';
import { schemeManager, theme } from './theme.ts';
import styles from './app.module.css';

const Shop = lazy(() => import('./shop/shop.tsx'));

export function App() {
  const { pathname } = useLocation();
  const inShop = pathname === '/shop' || pathname.startsWith('/shop/');
  useEffect(() => {
    document.title = inShop ? 'Example shop · Millrace' : 'Millrace';
  }, [inShop]);
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" colorSchemeManager={schemeManager}>
      <a href="#main" className="skip">
        Skip to the content
      </a>
      <Header inShop={inShop} />
      <main id="main" className={styles.main} tabIndex={-1}>
        {inShop ? (
          <Suspense fallback={null}>
            <Shop />
          </Suspense>
        ) : (
          <Dashboard />
        )}
      </main>
      <footer className={styles.footer}>
        <div>
          <span>A millrace leads a stream to the wheel.</span>
          <a href="/openapi.json">API</a>
          <a href="/metrics">Metrics</a>
          <a href="/licenses.md">Licences</a>
          <a href="/licenses-fonts.md">Fonts</a>
        </div>
      </footer>
    </MantineProvider>
  );
}

function Header({ inShop }: { inShop: boolean }) {
  return (
    <header className={styles.header}>
      <div className={styles.bar}>
        <Link href="/" className={styles.brand} aria-label="Millrace, to the dashboard">
          <img src="/logo.svg" alt="" width="30" height="30" />
          <span>Millrace</span>
        </Link>
        <nav className={styles.nav} aria-label="Pages">
          <Link href="/" aria-current={inShop ? undefined : 'page'}>
            Dashboard
          </Link>
          <Link href="/shop" aria-current={inShop ? 'page' : undefined}>
            <span className={styles.long}>Example shop</span>
            <span className={styles.short}>Shop</span>
          </Link>
        </nav>
        <SchemeSwitch />
      </div>
    </header>
  );
}

const schemes: { value: 'auto' | 'light' | 'dark'; label: string; icon: IconName }[] = [
  { value: 'auto', label: 'As the system', icon: 'system' },
  { value: 'light', label: 'Light', icon: 'sun' },
  { value: 'dark', label: 'Dark', icon: 'moon' },
];

function SchemeSwitch() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const now = schemes.find((scheme) => scheme.value === colorScheme) ?? schemes[0]!;
  return (
    <Menu position="bottom-end" width={180}>
      <Menu.Target>
        <ActionIcon
          variant="subtle"
          color="gray"
          size={38}
          title="Light or dark"
          aria-label={`Light or dark: ${now.label}`}
          className={styles.scheme}
        >
          <Icon name={now.icon} size={20} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.RadioGroup
          value={colorScheme}
          onChange={(value) => setColorScheme(schemes.find((scheme) => scheme.value === value)!.value)}
        >
          {schemes.map(({ value, label, icon }) => (
            <Menu.RadioItem key={value} value={value} rightSection={<Icon name={icon} />} closeMenuOnClick>
              {label}
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
      </Menu.Dropdown>
    </Menu>
  );
}
