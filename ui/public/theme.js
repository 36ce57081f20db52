// Runs before the first paint, so that a dark page never flashes white. A file of its own because
// the content security policy forbids inline scripts. The key is that of src/theme.ts.
(function () {
  var kept = null;
  try {
    kept = localStorage.getItem('millrace-theme');
  } catch {
    // Storage may be forbidden; then the system decides.
  }
  var dark = kept === 'dark' || (kept !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
})();
