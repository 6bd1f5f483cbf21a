// A job in the list: what it is, how far, what can be done.

import { h, replace, setText } from './dom.js';
import * as f from './format.js';
import * as api from './api.js';
import { statePill, progressBlock } from './progress.js';
import { actionBar } from './actions.js';

function summary(job) {
	const { size } = job.params;
	return [job.name && `#${job.id}`, job.dataset, size > 0 && `${size}×${size}`, f.when(job.created_at)].filter(Boolean).join(' · ');
}

/** A row of the list: {node, update(job), sample(step), pick(chosen, full)}. picks(on): its box was ticked. */
export function jobRow(job, signal, picks) {
	const thumb = h('span', { class: 'thumb' });
	const title = h('a', { class: 'job-title', href: `#/jobs/${job.id}` });
	const about = h('span', { class: 'muted' });
	const pill = statePill();
	const progress = progressBlock();
	const losses = h('span', { class: 'muted figures' });
	const actions = actionBar({ brief: true });
	const box = h('input', { type: 'checkbox', onchange: () => picks(box.checked) });
	const error = h('p', { class: 'error-line' });
	const node = h('li', { class: 'card job-row', 'data-job': job.id },
		thumb,
		h('div', { class: 'job-main' },
			h('div', { class: 'job-head' }, title, pill.node, about),
			progress.node, error, losses),
		h('div', { class: 'row-side' }, actions.node, h('label', { class: 'check pick' }, box, h('span', {}, 'Compare'))));
	let asked = false;

	function draw(src) {
		const img = h('img', { src, alt: '', class: 'pixels' });
		img.addEventListener('load', () => replace(thumb, img), { once: true });
	}

	function sample(step) {
		asked = true;
		draw(`/jobs/${job.id}/samples/step-${step}.png`);
	}

	/** The newest sample if there is one; later ones come as events. */
	async function firstSample() {
		asked = true;
		try {
			const page = await api.get(`/jobs/${job.id}/samples?limit=1`, { signal });
			if (page.samples.length > 0 && thumb.childElementCount === 0)
				draw(`/jobs/${job.id}/samples/latest.png`);
		} catch {
			// A row without a picture says as much.
		}
	}

	return {
		node,
		sample,
		pick(chosen, full) {
			box.checked = chosen;
			box.disabled = full && !chosen;
		},
		update(now) {
			setText(title, f.jobTitle(now));
			box.setAttribute('aria-label', `Compare ${f.jobTitle(now)}`);
			setText(about, summary(now));
			pill.update(now);
			progress.update(now);
			setText(losses, now.loss_d === null || now.state === 'failed' ? '' : `loss D ${f.figure(now.loss_d)} · loss G ${f.figure(now.loss_g)}`);
			setText(error, now.state === 'failed' ? now.error ?? 'It failed without a reason.' : '');
			actions.update(now);
			if (!asked && now.step > 0)
				firstSample();
		},
	};
}
