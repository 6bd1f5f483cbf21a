// The controls above charts: what they are drawn against, how smooth, how far zoomed. What
// is chosen is in the address.

import { h, setText } from './dom.js';
import { AXES } from './axis.js';

const WINDOWS = [['', 'All steps'], ['5000', 'Last 5,000'], ['1000', 'Last 1,000'], ['200', 'Last 200']];
const SMOOTHING = 0.85; // unless chosen

/**
 * change(anew): something was chosen, anew: other points are wanted; zoom(factor), reset(): the buttons.
 * trailing: offer to look at the newest steps only.
 */
export function controls({ ctx, trailing, change, zoom, reset }) {
	const { setQuery } = ctx;
	const axis = h('select', { class: 'axis' }, Object.entries(AXES).map(([value, { label }]) => h('option', { value }, value === 'time' ? 'Time' : label)));
	const keep = h('select', { id: 'curve-window' }, WINDOWS.map(([value, text]) => h('option', { value }, text)));
	const smooth = h('input', { type: 'range', id: 'curve-smooth', min: 0, max: 0.99, step: 0.01 });
	const weight = h('output', { class: 'figures', for: 'curve-smooth' });
	const log = h('input', { type: 'checkbox', id: 'curve-log' });
	const all = h('button', { type: 'button', class: 'show-all', disabled: true }, 'Show all');
	const status = h('span', { class: 'sr', role: 'status' });

	const node = h('div', { class: 'controls', role: 'group', 'aria-label': 'How the charts are drawn' },
		h('label', {}, h('span', {}, 'Against'), axis),
		trailing && h('label', {}, h('span', {}, 'Show'), keep),
		h('label', { class: 'smooth' }, h('span', {}, 'Smoothing'), smooth, weight),
		h('label', { class: 'check' }, log, h('span', {}, 'Log scale')),
		h('div', { class: 'zoom-buttons' },
			h('button', { type: 'button', class: 'square', 'aria-label': 'Zoom in', title: 'Zoom in', onclick: () => zoom(0.5) }, '+'),
			h('button', { type: 'button', class: 'square', 'aria-label': 'Zoom out', title: 'Zoom out', onclick: () => zoom(2) }, '−'),
			all),
		status);

	axis.addEventListener('change', () => {
		setQuery({ x: axis.value === 'step' ? '' : axis.value, from: '', to: '' }, true);
		change(true);
	});
	keep.addEventListener('change', () => {
		setQuery({ window: keep.value, from: '', to: '' }, true);
		change(true);
	});
	smooth.addEventListener('input', () => {
		setText(weight, Number(smooth.value).toFixed(2));
		setQuery({ smooth: Number(smooth.value) === SMOOTHING ? '' : smooth.value });
		change();
	});
	log.addEventListener('change', () => {
		setQuery({ log: log.checked ? '1' : '' }, true);
		change();
	});
	all.addEventListener('click', reset);

	let told = '';
	return {
		node,
		get axis() {
			return axis.value;
		},
		get keep() {
			return Number(keep.value) || 0;
		},
		get smoothing() {
			return Number(smooth.value);
		},
		get log() {
			return log.checked;
		},
		/** A range takes the place of what trails. */
		keepAll() {
			keep.value = '';
		},
		read(query) {
			axis.value = AXES[query.get('x')] ? query.get('x') : 'step';
			keep.value = trailing && WINDOWS.some(([value]) => value === query.get('window')) ? query.get('window') : '';
			const wanted = query.has('smooth') ? Number.parseFloat(query.get('smooth')) : SMOOTHING;
			smooth.value = String(wanted >= 0 && wanted <= 0.99 ? wanted : SMOOTHING);
			setText(weight, Number(smooth.value).toFixed(2));
			log.checked = query.get('log') === '1';
		},
		update({ zoomed, text }) {
			all.disabled = !zoomed;
			const now = zoomed ? `Showing ${text}` : '';
			if (now !== told)
				setText(status, now);
			told = now;
		},
	};
}
