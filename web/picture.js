// Pictures in the browser: files, URLs and canvases, from one to the other.

export function toDataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

export function load(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error('it is no picture'));
    image.src = url;
  });
}

// {url, width, height} of a file; a turn that a camera wrote down is already done.
export async function readFile(file) {
  const url = await toDataUrl(file);
  const image = await load(url);
  return { url, width: image.naturalWidth, height: image.naturalHeight, name: file.name };
}

// Likewise of a picture that the server has.
export async function readUrl(address) {
  const answer = await fetch(address);
  return readFile(await answer.blob());
}

export function canvasOf(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

export const toBlob = (canvas) => new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));

export function download(url, name) {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
}
