// Photographs of the user's own, as long as the page is open: read, turned upright and made smaller before they leave it.
import {el} from './dom.js';
import {showBlob} from './photos.js';

const LONGEST_SIDE = 1600;      // pixels; models see far fewer
const KEPT_BYTES = 1500 * 1024;  // a photograph within both goes as it is
const MOST_PHOTOS = 200;
const MOST_BYTES = 24 * 1024 * 1024;  // what the server's usual limit of a request leaves for one that cannot be made smaller
const THUMBNAIL = 240;
const ACCEPTED = /^image\//;
const AS_IS = /^image\/(jpeg|png|webp|bmp|tiff)$/;

// {number, name, blob, thumbnail (Blob or null), verdict: text shown below it, saved: {id, identity} once written back}
const uploaded = new Map();
let last = 0;

export const list = () => [...uploaded.values()];
export const find = (number) => uploaded.get(Number(number));

export function forget(number) {
  uploaded.delete(Number(number));
}

function toBlob(canvas, quality) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('no room to make it smaller'))), 'image/jpeg', quality);
  });
}

async function scaled(bitmap, longest, quality) {
  const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff';  // behind what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return toBlob(canvas, quality);
}

// What is sent of a file, and a thumbnail. A file that the browser cannot read (TIFF) goes as it is: the server may.
async function prepare(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, {imageOrientation: 'from-image'});
  } catch {
    if (file.size > MOST_BYTES) throw new Error(`${file.name}: the browser cannot read it, and it is too big to send as it is`);
    return {blob: file, thumbnail: null};
  }
  try {
    const small = Math.max(bitmap.width, bitmap.height) <= LONGEST_SIDE && file.size <= KEPT_BYTES && AS_IS.test(file.type);
    return {
      blob: small ? file : await scaled(bitmap, LONGEST_SIDE, 0.92),
      thumbnail: await scaled(bitmap, THUMBNAIL, 0.85),
    };
  } finally {
    bitmap.close();
  }
}

// Adds files, those of other kinds left out. {added: [photograph], refused: [why]}.
export async function add(files) {
  const added = [];
  const refused = [];
  for (const file of files) {
    if (file.type && !ACCEPTED.test(file.type)) {
      refused.push(`${file.name} is no photograph`);
    } else if (uploaded.size >= MOST_PHOTOS) {
      refused.push(`${file.name}: ${MOST_PHOTOS} photographs are looked at together at most; remove some first`);
    } else {
      try {
        const photograph = {number: ++last, name: file.name || 'pasted.png', ...await prepare(file)};
        uploaded.set(photograph.number, photograph);
        added.push(photograph);
      } catch (error) {
        refused.push(error.message);
      }
    }
  }
  return {added, refused};
}

// Its bytes as protobuf's JSON has them.
export function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => reject(new Error('the photograph can no longer be read'));
    reader.readAsDataURL(blob);
  });
}

export function preview(photograph, large = false) {
  const frame = el('span', {class: large ? 'photo whole' : 'photo'});
  const image = el('img', {alt: `Your photograph ${photograph.name}`, width: 4, height: 3});
  frame.append(image);
  image.addEventListener('error', () => frame.replaceChildren(el('span', {class: 'no-preview'}, photograph.name)), {once: true});
  showBlob(image, large || !photograph.thumbnail ? photograph.blob : photograph.thumbnail);
  return frame;
}
