/**
 * Keeps the page as high as what can be seen of it: where a keyboard of glass covers the window instead of making it smaller (Safari
 * on a phone), the composer stays above it. Called once by `<salon-app>`. And tells every element whether it may bring one up.
 */

/** @param {VisualViewport | null | undefined} viewport @param {HTMLElement} root */
export function followKeyboard(viewport = globalThis.visualViewport, root = document.documentElement) {
  if (!viewport) return;
  const fit = () => {
    // Who has zoomed in sees a part of the page, and wants the page as it is.
    if (viewport.scale > 1.01) return;
    const covered = Math.round(innerHeight - viewport.height);
    if (covered > 1) root.style.setProperty('--seen-height', `${Math.round(viewport.height)}px`);
    else root.style.removeProperty('--seen-height');
    // The browser has scrolled the page up to show the box; it is as high as what is seen now.
    if (covered > 1) scrollTo(0, 0);
  };
  viewport.addEventListener('resize', fit);
  fit();
}

/** Whether a box may take the focus by itself: a keyboard of glass, which that would bring up, hides half the page. @returns {boolean} */
export const mayBegin = () => !matchMedia('(hover: none) and (pointer: coarse)').matches;
