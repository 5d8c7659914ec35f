// What the tests of the web page ask a page that is open.

// Images without a text for those who do not see them. The icon is an ornament.
function withoutAlt() {
  const images = [...document.querySelectorAll('img')].filter((image) =>
    !image.hasAttribute('alt') || (image.alt === '' && !image.src.endsWith('/icon.svg')));
  const drawings = [...document.querySelectorAll('svg:not([aria-hidden])')].filter((drawn) =>
    drawn.getAttribute('role') !== 'img' || !drawn.getAttribute('aria-label'));
  return [...images, ...drawings].map((one) => one.outerHTML.slice(0, 200));
}

// What can be operated, but has no name.
function withoutName() {
  return [...document.querySelectorAll('button, a[href], select, input, textarea')].filter((one) => one.checkVisibility()
    && !(one.innerText || '').trim() && !one.getAttribute('aria-label') && !(one.labels && one.labels.length)
    && !one.querySelector('img[alt]:not([alt=""])')).map((one) => one.outerHTML);
}

// Texts with a contrast below 4.5:1 (WCAG 2.1, 1.4.3), by the formula of its "relative luminance".
function tooFaint() {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (value) => (value / 255 <= .04045 ? value / 255 / 12.92 : ((value / 255 + .055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!hasText || !element.checkVisibility() || element.closest(':disabled, .visually-hidden, .skip')) continue;
    const style = getComputedStyle(element);
    const text = luminance(rgba(element instanceof SVGElement ? style.fill : style.color));
    const below = luminance(ground(element));
    const ratio = (Math.max(text, below) + .05) / (Math.min(text, below) + .05);
    if (ratio < 4.5) faint.push(`${element.outerHTML.slice(0, 120)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}

// How much jumped, as Cumulative Layout Shift has it; but shifts just after a click count as well.
function layoutShift(done) {
  let sum = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) sum += entry.value;
  }).observe({type: 'layout-shift', buffered: true});
  setTimeout(() => done(sum), 150);
}

function shownIds() {
  return [...document.querySelectorAll('.results .card-link')].map((link) => link.querySelector('.id').textContent);
}

// A file that comes by drop or paste.
function fileEvent(kind, base64, name) {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, {type: 'image/png'}));
  const event = kind === 'drop' ? new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true})
    : new ClipboardEvent(kind, {clipboardData: data, bubbles: true, cancelable: true});
  document.body.dispatchEvent(event);
}
