// The colours that were chosen last, before anything is drawn. Without a choice the system's.
'use strict';
try {
  const theme = localStorage.getItem('fluke-theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
} catch {
  // no storage: the system's colours
}
