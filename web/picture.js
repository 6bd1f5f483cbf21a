// Pictures of pixels: enlarged only by whole factors, so that every pixel stays a square.

import { h } from './dom.js';

const MOST = 8; // no pixel larger than this

/**
 * An <img> in a frame as wide as there is room. The largest whole factor that fits, or with
 * cover the smallest that fills the frame's width (the rest is cut off). On finer screens
 * the factor counts device pixels.
 */
export function pixelPicture(attrs = {}, { cover = false } = {}) {
	const img = h('img', { ...attrs, class: 'pixels' });
	const frame = h('div', { class: cover ? 'picture-frame cover' : 'picture-frame' }, img);
	const fit = () => {
		const room = frame.clientWidth * devicePixelRatio, width = img.naturalWidth;
		if (!room || !width)
			return;
		const factor = cover ? Math.ceil(room / width) : Math.min(MOST * devicePixelRatio, Math.floor(room / width));
		img.classList.toggle('shrunk', factor < 1);
		img.style.width = factor < 1 ? '100%' : `${factor * width / devicePixelRatio}px`;
	};
	img.addEventListener('load', fit);
	new ResizeObserver(fit).observe(frame);
	return { frame, img };
}
