// One sample grid of a job with a slider through all of them.

import { h, setText } from './dom.js';
import * as f from './format.js';
import { pixelPicture } from './picture.js';

export function describeSample(sample) {
	return `${sample.step === 0 ? 'Before training' : `Epoch ${f.count(sample.epoch)}`} · step ${f.count(sample.step)}`;
}

/** label: names the slider; go(index): the user went there. */
export function samplePane({ id, label, go }) {
	const picture = pixelPicture();
	const slider = h('input', { type: 'range', min: 0, max: 0, step: 1, 'aria-label': label });
	const caption = h('span', { class: 'figures' });
	const live = h('span', { class: 'live', hidden: true }, 'following');
	const open = h('a', { class: 'button quiet', download: '' }, 'PNG');
	let shown = ''; // the picture asked for last

	slider.addEventListener('input', () => go(Number(slider.value)));
	return {
		node: h('div', { class: 'pane' }, picture.frame,
			h('div', { class: 'row between' }, h('p', { class: 'sample-caption' }, caption, ' ', live), open), slider),
		/** list: [{epoch, step}], at: an index */
		show(list, at, following) {
			const sample = list[at], text = describeSample(sample), url = `/jobs/${id}/samples/step-${sample.step}.png`;
			if (shown !== url) {
				shown = url;
				picture.show(url, `Grid of generated pictures, ${text}`);
			}
			slider.max = String(list.length - 1);
			slider.value = String(at);
			slider.disabled = list.length < 2;
			slider.setAttribute('aria-valuetext', text);
			setText(caption, text);
			open.href = url;
			open.setAttribute('download', `job-${id}-step-${sample.step}.png`);
			open.setAttribute('aria-label', `Download the sample of step ${sample.step} as PNG`);
			live.hidden = !following;
		},
	};
}
