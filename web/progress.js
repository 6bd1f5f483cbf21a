// The state of a job in one look: a pill, a bar and two lines of text.

import { h, setText } from './dom.js';
import * as f from './format.js';
import { FINAL } from './state.js';

const ASKED = { pause: 'pausing', cancel: 'cancelling' };

/** A coloured pill that always says the state in words too. */
export function statePill() {
	const node = h('span', { class: 'pill' });
	return {
		node,
		update(job) {
			node.dataset.state = job.state;
			setText(node, job.asked ? ASKED[job.asked.action] : job.state);
		},
	};
}

export function progressBlock() {
	const bar = h('progress', { max: 1, value: 0, 'aria-label': 'Progress' });
	const left = h('span', { class: 'progress-left' });
	const right = h('span', { class: 'progress-right' });
	return {
		node: h('div', { class: 'progress' }, bar, h('div', { class: 'progress-text' }, left, right)),
		update(job) {
			const [done, of] = job.preparing ? [job.preparing.done, job.preparing.count] : [job.step, job.steps_total];
			bar.dataset.state = job.state;
			if (of > 0)
				bar.value = Math.min(1, done / of);
			else if (job.state === 'preparing')
				bar.removeAttribute('value'); // under way, nobody knows how far
			else
				bar.value = 0;
			bar.setAttribute('aria-valuetext', describe(job));
			setText(left, describe(job));
			setText(right, speed(job));
		},
	};
}

function epochsTotal(job) {
	return job.steps_per_epoch > 0 && job.steps_total > 0 ? Math.ceil(job.steps_total / job.steps_per_epoch) : job.epochs;
}

function position(job) {
	return `${f.count(job.epoch)} of ${f.count(epochsTotal(job))} epochs · step ${f.count(job.step)} of ${f.count(job.steps_total)}`;
}

export function describe(job) {
	switch (job.state) {
	case 'queued':
		return job.step > 0 ? `Waiting to go on · ${position(job)}` : 'Waiting in the queue';
	case 'preparing':
		if (!job.preparing)
			return 'Preparing the data set';
		return `Preparing the data set · ${f.count(job.preparing.done)} of ${f.count(job.preparing.count)} pictures`;
	case 'paused':
		return job.error ? `Waiting: ${job.error} · ${position(job)}` : `Paused · ${position(job)}`;
	case 'succeeded':
		return `${f.plural(job.epoch, 'epoch')} · ${f.plural(job.step, 'step')}`;
	default:
		return job.step > 0 || job.state === 'running' ? position(job) : 'Before the first step';
	}
}

function speed(job) {
	if (job.state === 'running') {
		const parts = [];
		if (job.images_per_s !== null)
			parts.push(`${f.rate(job.images_per_s)} images/s`);
		if (job.eta_s !== null)
			parts.push(`${f.duration(job.eta_s)} left`);
		return parts.join(' · ');
	}
	if (FINAL.has(job.state) && job.started_at)
		return `took ${f.duration(f.between(job.started_at, job.finished_at))}`;
	return '';
}
