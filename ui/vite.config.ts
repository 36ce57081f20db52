import { readFileSync } from 'node:fs';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

// `npm run dev` shows the sources at once and hands every call on to a running `millrace up`.
const server = process.env['MILLRACE_URL'] ?? 'http://127.0.0.1:8080';
const toServer = { target: server, changeOrigin: true };

// The licences of what goes into the program: Vite collects those of the code, this those of the fonts.
const fonts = ['@fontsource-variable/instrument-sans', '@fontsource/newsreader'];
const fontLicenses: Plugin = {
  name: 'font-licenses',
  generateBundle() {
    const texts = fonts.map((name) => `# ${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, 'utf8')}`);
    this.emitFile({ type: 'asset', fileName: 'licenses-fonts.md', source: texts.join('\n\n') });
  },
};

export default defineConfig({
  plugins: [react(), fontLicenses],
  build: {
    // The server sends `default-src 'self'`: nothing may become a data: address or an inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: 'licenses.md' },
    // ECharts is one big chunk, loaded only once a chart of it comes into view.
    chunkSizeWarningLimit: 700,
  },
  // The pages are fetched when they are opened; look through all of them at the start, so that none reloads later.
  optimizeDeps: { entries: ['index.html', 'src/**/*.{ts,tsx}', '!src/**/*.test.ts'] },
  server: {
    proxy: { '/v1': toServer, '/healthz': toServer, '/metrics': toServer, '/openapi.json': toServer },
  },
});
