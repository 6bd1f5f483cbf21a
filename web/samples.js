// The sample grids of a job, one an epoch, drawn from the same noise: a slider through
// them, a play button, arrow keys, and a second one beside it. The newest is followed unless
// the user moved back.

import { h, replace, loading, failed, recovered, setText, announce, isTyping } from './dom.js';
import * as api from './api.js';
import { bus, ready } from './events.js';
import { jobs, FINAL } from './state.js';
import { samplePane, describeSample } from './pane.js';

const FRAME_MS = 250;

export function samples({ id, query, setQuery, signal, onRestore }) {
	let list = []; // {epoch, step} in order of step
	let at = -1;
	let following = true;
	let wanted = null; // the step to be shown, unless following
	let beside = null; // the step that is shown beside; null: none
	let playing = 0;
	let loaded = false;

	const main = samplePane({ id, label: 'Sample', go: (i) => go(i) });
	const other = samplePane({ id, label: 'Sample beside it', go: (i) => goBeside(i) });
	const play = h('button', { type: 'button', 'data-do': 'play' }, 'Play');
	const newest = h('button', { type: 'button', 'data-do': 'newest' }, 'Newest');
	const two = h('button', { type: 'button', 'data-do': 'two', 'aria-pressed': 'false' }, 'Side by side');
	const panes = h('div', { class: 'panes' }, main.node);
	const viewer = h('div', {}, panes, h('div', { class: 'row' }, play, newest, two));
	const body = h('div', {});
	const node = h('section', { class: 'card samples', 'aria-labelledby': 'samples-title' },
		h('div', { class: 'card-head' }, h('h2', { id: 'samples-title' }, 'Samples')), body);

	const nearest = (step) => list.reduce((best, s, i) => (Math.abs(s.step - step) < Math.abs(list[best].step - step) ? i : best), 0);

	function show() {
		if (list.length === 0) {
			replace(body, h('p', { class: 'blank muted' }, !loaded ? '' : FINAL.has(jobs.get(id)?.state) ? 'There are none: the job ended before its first sample.' : 'The first samples come with the first epoch.'));
			return;
		}
		if (viewer.parentNode !== body)
			replace(body, viewer);
		main.show(list, at, following && !FINAL.has(jobs.get(id)?.state));
		play.disabled = list.length < 2;
		newest.disabled = at === list.length - 1;
		two.disabled = list.length < 2;
		two.setAttribute('aria-pressed', String(beside !== null));
		node.classList.toggle('wide', beside !== null);
		if (beside === null)
			other.node.remove();
		else if (other.node.parentNode !== panes)
			panes.prepend(other.node);
		if (beside !== null)
			other.show(list, nearest(beside), false);
	}

	function goBeside(index) {
		beside = list[index].step;
		setQuery({ beside: String(beside) });
		show();
	}

	/** The user (or the player) goes to a place; at the end it follows again. */
	function go(index, byHand = true) {
		if (byHand)
			stop();
		at = Math.max(0, Math.min(list.length - 1, index));
		following = !playing && at === list.length - 1;
		wanted = list[at].step;
		setQuery({ sample: following || playing ? '' : String(wanted) });
		show();
	}

	function stop() {
		clearInterval(playing);
		playing = 0;
		setText(play, 'Play');
	}

	function start() {
		if (at === list.length - 1)
			at = 0;
		playing = setInterval(() => {
			if (at >= list.length - 1) {
				stop();
				go(list.length - 1);
				return;
			}
			go(at + 1, false);
		}, FRAME_MS);
		setText(play, 'Stop');
		go(at, false);
	}

	function put(sample) {
		let i = list.length;
		while (i > 0 && list[i - 1].step > sample.step)
			i--;
		if (i > 0 && list[i - 1].step === sample.step)
			return;
		list.splice(i, 0, sample);
		if (i <= at)
			at++;
		if (following)
			at = list.length - 1;
	}

	/** Where the address says, or where it was before a load. */
	function place() {
		at = following ? list.length - 1 : list.findIndex((s) => s.step === wanted);
		if (at < 0) {
			at = list.length - 1;
			following = true;
		}
	}

	function read(from) {
		const step = (key) => (/^\d{1,15}$/.test(from.get(key) ?? '') ? Number(from.get(key)) : null);
		wanted = step('sample');
		following = wanted === null;
		beside = step('beside');
	}

	async function load() {
		if (list.length === 0)
			replace(body, loading('Loading the samples…'));
		try {
			await ready;
			const all = await api.getAll(`/jobs/${id}/samples`, 'samples', { signal });
			list = all.map(({ epoch, step }) => ({ epoch, step }));
			loaded = true;
			recovered(body);
			place();
			show();
		} catch (error) {
			if (!signal.aborted)
				failed(body, list.length > 0, error, load);
		}
	}

	play.addEventListener('click', () => {
		if (playing) {
			stop();
			go(at);
		} else {
			start();
		}
	});
	newest.addEventListener('click', () => go(list.length - 1));
	two.addEventListener('click', () => {
		beside = beside === null ? list[0].step : null;
		setQuery({ beside: beside === null ? '' : String(beside) }, true);
		show();
	});
	document.addEventListener('keydown', (event) => {
		const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
		// Elsewhere the arrows scroll, or move what has the focus.
		const here = event.target === document.body || event.target.id === 'main' || node.contains(event.target);
		if (!step || !here || event.altKey || event.ctrlKey || event.metaKey || isTyping(event) || event.defaultPrevented || list.length === 0)
			return;
		event.preventDefault();
		go(at + step);
		announce(describeSample(list[at]));
	}, { signal });
	signal.addEventListener('abort', stop);

	bus.addEventListener('sample', ({ detail }) => {
		if (detail.job !== id || !loaded)
			return;
		put({ epoch: detail.epoch, step: detail.step });
		show();
	}, { signal });
	bus.addEventListener('state', ({ detail }) => {
		if (detail.job !== id)
			return;
		if (detail.rewound_to !== null && detail.rewound_to !== undefined)
			load();
		else if (list.length > 0)
			show();
	}, { signal });
	bus.addEventListener('reset', load, { signal });
	onRestore((now) => {
		stop();
		read(now);
		if (list.length > 0) {
			place();
			show();
		}
	});
	read(query);
	load();
	return node;
}
