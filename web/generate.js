// Drawing new pictures from a checkpoint: a number of them and a seed.

import { h, replace, setText, announce, busy } from './dom.js';
import * as f from './format.js';
import * as api from './api.js';
import { pixelPicture } from './picture.js';

/** reload(): asks for the checkpoints anew, and calls offer. */
export function generator({ query, setQuery, signal }, reload) {
	const from = h('select', { id: 'generate-from' });
	const n = h('input', { type: 'number', id: 'generate-n', min: 1, max: 1024, step: 1, value: query.get('n') ?? '64', inputmode: 'numeric' });
	const seed = h('input', { type: 'number', id: 'generate-seed', min: 0, step: 1, value: query.get('seed') ?? '1', inputmode: 'numeric' });
	const go = h('button', { type: 'submit', class: 'primary' }, 'Generate');
	const next = h('button', { type: 'button' }, 'Next seed');
	const save = h('a', { class: 'button quiet', hidden: true }, 'PNG');
	const error = h('p', { class: 'field-error', role: 'alert' });
	const caption = h('p', { class: 'figures' });
	const picture = pixelPicture();
	const result = h('div', { class: 'generated', hidden: true }, picture.frame, h('div', { class: 'row between' }, caption, save));
	const form = h('form', { class: 'generate-form', novalidate: true },
		h('div', { class: 'field' }, h('label', { for: 'generate-from' }, 'Checkpoint'), from),
		h('div', { class: 'field small' }, h('label', { for: 'generate-n' }, 'Pictures'), n),
		h('div', { class: 'field small' }, h('label', { for: 'generate-seed' }, 'Seed'), seed),
		h('div', { class: 'row' }, go, next));
	const none = h('p', { class: 'blank muted' }, 'This needs a checkpoint.');
	const body = h('div', {}, none);
	const node = h('section', { class: 'card', 'data-needs': 'write', 'aria-labelledby': 'generate-title' },
		h('div', { class: 'card-head' }, h('h2', { id: 'generate-title' }, 'Generate')), body);
	let blobUrl = null; // what is shown
	let wanted = Number(query.get('checkpoint')) || null;
	let shown = wanted === null; // what the address names is drawn once, without a click

	async function draw(again = false) {
		setText(error, '');
		const count = whole(n), number = whole(seed);
		if (count === null || number === null) {
			setText(error, count === null ? 'Pictures: expected a whole number from 1 to 1024.' : 'Seed: expected a whole number.');
			(count === null ? n : seed).focus();
			return;
		}
		const checkpoint = from.value;
		busy(go, true);
		busy(next, true);
		picture.frame.classList.add('waiting');
		try {
			const blob = await api.postForImage(`/checkpoints/${checkpoint}/generate`, { n: count, seed: number }, { signal });
			if (blobUrl)
				URL.revokeObjectURL(blobUrl); // a picture that is drawn keeps its pixels
			blobUrl = URL.createObjectURL(blob);
			const text = `${f.plural(count, 'picture')} of checkpoint #${checkpoint}, seed ${number}`;
			picture.show(blobUrl, `Grid of ${text}`);
			save.href = blobUrl;
			save.setAttribute('download', `checkpoint-${checkpoint}-seed-${number}.png`);
			save.hidden = result.hidden = false;
			setText(caption, text);
			announce(`Drew ${text}`);
			wanted = Number(checkpoint);
			setQuery({ checkpoint, seed: String(number), n: count === 64 ? '' : String(count) });
		} catch (e) {
			const gone = e.status === 404;
			if (gone)
				await reload();
			// The newest one was meant, and newer ones have taken its place meanwhile.
			const retry = gone && !again && wanted === null && from.value !== checkpoint;
			if (retry)
				setTimeout(draw, 0, true);
			else if (!signal.aborted)
				setText(error, e.fields.length > 0 ? e.fields.map((x) => `${x.pointer.slice(1)}: ${x.detail}`).join('; ') : e.message);
		}
		picture.frame.classList.remove('waiting');
		busy(go, false);
		busy(next, false);
	}

	form.addEventListener('submit', (event) => {
		event.preventDefault();
		draw();
	});
	next.addEventListener('click', () => {
		seed.value = String((whole(seed) ?? 0) + 1);
		draw();
	});
	from.addEventListener('change', () => {
		wanted = Number(from.value);
	});
	signal.addEventListener('abort', () => blobUrl && URL.revokeObjectURL(blobUrl));

	return {
		node,
		/** The checkpoints to choose from, newest first. */
		offer(list) {
			const keep = list.some((c) => c.id === wanted) ? wanted : list[0]?.id;
			replace(from, list.map((c) => h('option', { value: c.id }, `#${c.id} · epoch ${f.count(c.epoch)} · step ${f.count(c.step)}`)));
			if (keep !== undefined)
				from.value = String(keep);
			if (list.length === 0)
				replace(body, none);
			else if (form.parentNode !== body)
				replace(body, form, error, result);
			if (!shown && keep === wanted && node.checkVisibility())
				draw();
			shown = true;
		},
		choose(id) {
			wanted = id;
			from.value = String(id);
			node.scrollIntoView({ block: 'nearest' });
			draw();
		},
	};
}

function whole(input) {
	return /^\d+$/.test(input.value) ? Number(input.value) : null;
}
