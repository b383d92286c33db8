// Sets the theme before anything is drawn, which a module is too late for. `look.js` has the rest.
try {
  const theme = localStorage.getItem('salon.look.theme');
  if (theme !== null) document.documentElement.dataset.theme = theme;
} catch {
  // Without a storage it is the system's.
}
