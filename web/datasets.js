// The data sets the daemon knows, with a look at each, and the form that registers one.

import { h, replace, loading, failed, setText, busy, toast, announce } from './dom.js';
import * as f from './format.js';
import * as api from './api.js';
import { confirm } from './actions.js';
import { pixelPicture } from './picture.js';
import { makeField } from './field.js';
import { datasetLine } from './form.js';

const FORMATS = [['auto', 'find out'], ['folder', 'folder of pictures'], ['idx', 'IDX (MNIST)'], ['cifar10', 'CIFAR-10 binary'], ['cifar100', 'CIFAR-100 binary']];

export function datasetsView({ query, setQuery, signal }) {
	const body = h('div', {});
	const node = h('section', {}, h('h1', {}, 'Data sets'), body);
	const form = register(load, query, setQuery);

	async function load() {
		if (!body.querySelector('.datasets'))
			replace(body, loading('Loading the data sets…'));
		try {
			const list = await api.getAll('/datasets', 'datasets', { signal });
			replace(body, list.length > 0
				? h('ul', { class: 'datasets' }, list.map((d) => card(d, load, signal)))
				: h('div', { class: 'blank' }, h('h2', {}, 'No data sets yet'),
					h('p', {}, 'Register a folder of pictures below. With Debian’s dataset-fashion-mnist installed, Fashion-MNIST is here by itself.')));
		} catch (error) {
			if (!signal.aborted)
				failed(body, body.querySelector('.datasets') !== null, error, load);
		}
		node.append(form); // below what takes its room first
	}
	load();
	return { title: 'Data sets', node };
}

function card(d, reload, signal) {
	const path = `/datasets/${encodeURIComponent(d.name)}`;
	const picture = pixelPicture({ cover: true, onerror: () => replace(picture.frame, h('p', { class: 'blank muted' }, 'No preview')) });
	picture.show(`${path}/preview.png`, `Pictures of ${d.name}`);
	return h('li', { class: 'card dataset', 'data-dataset': d.name },
		picture.frame,
		h('h2', {}, d.name),
		h('p', { class: 'muted' }, datasetLine(d)),
		h('p', { class: 'muted' }, `${d.format} · ${d.builtin ? 'built in' : `registered ${f.when(d.created_at)}`}`),
		d.classes > 0 && classNames(path, signal),
		h('div', { class: 'row' },
			h('a', { class: 'button primary', 'data-needs': 'write', href: `#/new?dataset=${encodeURIComponent(d.name)}` }, 'Train on this'),
			!d.builtin && h('button', { type: 'button', class: 'danger quiet', 'data-needs': 'admin', 'aria-label': `Remove ${d.name}`, onclick: () => remove(d, path, reload) }, 'Remove')));
}

function classNames(path, signal) {
	const names = h('p', { class: 'muted small' }, 'Loading…');
	const details = h('details', {}, h('summary', {}, 'Classes'), names);
	details.addEventListener('toggle', async () => {
		try {
			const full = await api.get(path, { signal });
			setText(names, full.class_names.join(', '));
		} catch (error) {
			setText(names, error.message);
		}
	}, { once: true });
	return details;
}

async function remove(d, path, reload) {
	const yes = await confirm({
		title: `Remove ${d.name}?`,
		text: 'The daemon forgets it and deletes what it prepared from it. The pictures themselves stay where they are.',
		yes: 'Remove the data set',
	});
	if (!yes)
		return;
	try {
		await api.remove(path);
		toast(`${d.name} was removed`);
		reload();
	} catch (error) {
		toast(error.message, 'error');
	}
}

/** What is typed is in the address, so that it survives a reload. */
function register(reload, query, setQuery) {
	const note = () => setQuery(Object.fromEntries(rows.map((row) => [row.name, row.get() === row.fallback ? '' : row.get() ?? ''])));
	const rows = [
		makeField('name', { type: 'string', maxLength: 63, description: 'Small letters, digits, dots, dashes and underscores.' }, { onchange: note }),
		makeField('path', { type: 'string', description: 'A file or folder on the daemon’s machine, below one of its data set roots (--dataset-root).' }, { onchange: note }),
		makeField('format', { type: 'string', default: 'auto', description: 'What the files are.' }, { options: FORMATS.map(([value, text]) => ({ value, text })), onchange: note }),
	];
	rows.forEach((row) => query.has(row.name) && row.set(query.get(row.name)));
	const submit = h('button', { type: 'submit', class: 'primary' }, 'Register');
	const error = h('p', { class: 'field-error', role: 'alert' });

	async function send(event) {
		event.preventDefault();
		setText(error, '');
		rows.forEach((row) => row.setError(null));
		busy(submit, true);
		try {
			const object = Object.fromEntries(rows.map((row) => [row.name, row.get()]).filter(([, v]) => v !== undefined));
			const made = await api.post('/datasets', object, { timeout: 600000 });
			announce(`${made.name} was registered`);
			rows.forEach((row) => row.set(row.fallback));
			note();
			reload();
		} catch (e) {
			const unplaced = (e.fields ?? []).filter(({ pointer, detail }) => {
				const row = rows.find((r) => `/${r.name}` === pointer);
				row?.setError(detail);
				return !row;
			});
			setText(error, [...(e.fields?.length > unplaced.length ? [] : [e.message]), ...unplaced.map((x) => `${x.pointer.slice(1)}: ${x.detail}`)].join('; '));
			form.querySelector('[aria-invalid]')?.focus();
		}
		busy(submit, false);
	}

	const form = h('form', { class: 'card', novalidate: true, onsubmit: send, 'data-needs': 'write', 'aria-labelledby': 'register-title' },
		h('h2', { id: 'register-title' }, 'Register a data set'),
		h('div', { class: 'fields' }, rows.map((row) => row.node)),
		error,
		h('div', { class: 'row' }, submit));
	return form;
}
