// Sets the theme before anything is drawn, which a module is too late for. `look.js` has the rest. The colour around the page
// (`theme-color`) follows whoever sets the theme: without a setting it is as the media say, with one as if they said that.
(() => {
  const root = document.documentElement;
  const colours = [...document.querySelectorAll('meta[name="theme-color"]')].map((meta) => ({ meta, media: meta.media }));
  const mediaFor = (media, theme) => {
    if (theme === undefined) return media;
    const [more, scheme] = ['(prefers-contrast: more)', (name) => `(prefers-color-scheme: ${name})`];
    const said = { contrast: [more], contrast_dark: [more, scheme('dark')] }[theme] ?? [scheme(theme)];
    const parts = media.split(' and ');
    return said.every((one) => parts.includes(one)) ? parts.filter((part) => !said.includes(part)).join(' and ') || 'all' : 'not all';
  };
  const show = () => {
    for (const { meta, media } of colours) meta.media = mediaFor(media, root.dataset.theme);
  };
  try {
    const theme = localStorage.getItem('salon.look.theme');
    if (theme !== null) root.dataset.theme = theme;
  } catch {
    // Without a storage it is the system's.
  }
  show();
  new MutationObserver(show).observe(root, { attributeFilter: ['data-theme'] });
})();
