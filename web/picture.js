// Pictures of pixels: enlarged only by whole factors, so that every pixel stays a square.

import { h } from './dom.js';

const MOST = 8; // no pixel larger than this

/**
 * A frame as wide as there is room, and show(src, alt) that puts a picture in it: at the
 * largest whole factor that fits, or with cover at the smallest that fills the frame's width
 * (the rest is cut off). On finer screens the factor counts device pixels. The picture
 * before stays until the next is there, so that nothing flickers.
 * onload(), onerror(): what became of the newest one asked for.
 */
export function pixelPicture({ cover = false, onload, onerror } = {}) {
	const frame = h('div', { class: cover ? 'picture-frame cover' : 'picture-frame' });
	let asked = 0, shown = 0;
	let img = null;

	function fit() {
		const room = frame.clientWidth * devicePixelRatio, width = img?.naturalWidth;
		if (!room || !width)
			return;
		const factor = cover ? Math.ceil(room / width) : Math.min(MOST * devicePixelRatio, Math.floor(room / width));
		img.classList.toggle('shrunk', factor < 1);
		img.style.width = factor < 1 ? '100%' : `${factor * width / devicePixelRatio}px`;
	}

	function show(src, alt) {
		const mine = ++asked;
		const next = h('img', { class: 'pixels', alt });
		next.addEventListener('load', () => {
			if (mine < shown)
				return; // overtaken by a later one
			shown = mine;
			img = next;
			fit();
			frame.replaceChildren(next);
			if (mine === asked)
				onload?.();
		});
		next.addEventListener('error', () => mine === asked && onerror?.());
		next.src = src;
	}

	new ResizeObserver(fit).observe(frame);
	return { frame, show };
}
