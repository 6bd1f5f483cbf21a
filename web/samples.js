// The sample grids of a job, one an epoch, drawn from the same noise: a slider through
// them, a play button, arrow keys. The newest is followed unless the user moved back.

import { h, replace, loading, failure, setText, announce, isTyping } from './dom.js';
import * as f from './format.js';
import * as api from './api.js';
import { bus, ready } from './events.js';
import { jobs, FINAL } from './state.js';
import { pixelPicture } from './picture.js';

const FRAME_MS = 250;

export function samples({ id, query, setQuery, signal }) {
	let list = []; // {epoch, step} in order of step
	let at = -1;
	let following = !query.has('sample');
	let playing = 0;
	let loaded = false;
	let shown = ''; // the picture asked for last

	const picture = pixelPicture();
	const slider = h('input', { type: 'range', min: 0, max: 0, step: 1, 'aria-label': 'Sample' });
	const play = h('button', { type: 'button' }, 'Play');
	const newest = h('button', { type: 'button' }, 'Newest');
	const live = h('span', { class: 'live', hidden: true }, 'following');
	const caption = h('span', { class: 'figures' });
	const open = h('a', { class: 'button quiet', download: '' }, 'PNG');
	const viewer = h('div', {},
		picture.frame,
		h('div', { class: 'row between' }, h('p', { class: 'sample-caption' }, caption, ' ', live), open),
		slider,
		h('div', { class: 'row' }, play, newest));
	const body = h('div', {});
	const node = h('section', { class: 'card', 'aria-labelledby': 'samples-title' },
		h('div', { class: 'card-head' }, h('h2', { id: 'samples-title' }, 'Samples')), body);

	const url = (sample) => `/jobs/${id}/samples/step-${sample.step}.png`;

	function describe(sample) {
		const epoch = sample.step === 0 ? 'Before training' : `Epoch ${f.count(sample.epoch)}`;
		return `${epoch} · step ${f.count(sample.step)}`;
	}

	function show() {
		if (list.length === 0) {
			replace(body, h('p', { class: 'blank muted' }, loaded ? 'The first samples come with the first epoch.' : ''));
			return;
		}
		if (viewer.parentNode !== body)
			replace(body, viewer);
		const sample = list[at];
		const text = describe(sample);
		if (shown !== url(sample)) {
			shown = url(sample);
			picture.show(shown, `Grid of generated pictures, ${text}`);
		}
		slider.max = String(list.length - 1);
		slider.value = String(at);
		slider.disabled = list.length < 2;
		slider.setAttribute('aria-valuetext', text);
		setText(caption, text);
		open.href = url(sample);
		open.setAttribute('download', `job-${id}-step-${sample.step}.png`);
		live.hidden = !following || FINAL.has(jobs.get(id)?.state);
		play.disabled = list.length < 2;
		newest.disabled = at === list.length - 1;
	}

	/** The user (or the player) goes to a place; at the end it follows again. */
	function go(index, byHand = true) {
		if (byHand)
			stop();
		at = Math.max(0, Math.min(list.length - 1, index));
		following = !playing && at === list.length - 1;
		setQuery({ sample: following || playing ? '' : String(list[at].step) });
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

	async function load() {
		if (list.length === 0)
			replace(body, loading('Loading the samples…'));
		try {
			await ready;
			const wanted = following ? null : list[at]?.step ?? Number(query.get('sample'));
			const all = await api.getAll(`/jobs/${id}/samples`, 'samples', { signal });
			list = all.map(({ epoch, step }) => ({ epoch, step }));
			at = wanted === null ? list.length - 1 : list.findIndex((s) => s.step === wanted);
			if (at < 0) {
				at = list.length - 1;
				following = true;
			}
			loaded = true;
			show();
		} catch (error) {
			if (!signal.aborted)
				replace(body, failure(error, load));
		}
	}

	slider.addEventListener('input', () => go(Number(slider.value)));
	play.addEventListener('click', () => {
		if (playing) {
			stop();
			go(at);
		} else {
			start();
		}
	});
	newest.addEventListener('click', () => go(list.length - 1));
	document.addEventListener('keydown', (event) => {
		const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
		if (!step || event.altKey || event.ctrlKey || event.metaKey || isTyping(event) || event.defaultPrevented || list.length === 0)
			return;
		event.preventDefault();
		go(at + step);
		announce(describe(list[at]));
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
	load();
	return node;
}
