// The form that starts a job, built from the schema in /openapi.json.
//
// Only what differs from the preset and the defaults is sent, so that a job says what was
// chosen; the daemon judges it, and its answer stands beside each field (by JSON pointer).

import { h, replace, loading, failure, setText, busy, announce } from './dom.js';
import * as f from './format.js';
import * as api from './api.js';
import { put } from './state.js';
import { curlCommand } from './session.js';
import { pixelPicture } from './picture.js';
import { COMMON, grouped, label, paramsOf } from './fields.js';
import { makeField } from './field.js';

export function formView({ query, signal, setQuery }) {
	const body = h('div', {});
	const node = h('section', {}, h('h1', {}, 'New job'), body);

	async function load() {
		replace(body, loading('Loading the form…'));
		try {
			const copy = Number(query.get('copy'));
			const [schema, datasets, version, source] = await Promise.all([
				api.jobSchema(), api.getAll('/datasets', 'datasets', { signal }), api.get('/version', { signal }),
				copy ? api.get(`/jobs/${copy}`, { signal }) : null]);
			const lists = { dataset: datasets.map((d) => d.name), kernel: ['auto', ...version.kernels] };
			replace(body, buildForm(schema, datasets, lists, initial(query, source, datasets), setQuery));
		} catch (error) {
			if (!signal.aborted)
				replace(body, failure(error, load));
		}
	}
	load();
	return { title: 'New job', node };
}

/** What the address asks for: ?copy=job, ?dataset=, ?from_checkpoint= */
function initial(query, source, datasets) {
	const values = source ? paramsOf(source) : { dataset: (datasets.find((d) => d.builtin) ?? datasets[0])?.name };
	if (source?.name)
		values.name = `${source.name} again`.slice(0, 60);
	for (const [key, value] of query)
		if (key !== 'copy')
			values[key] = key === 'from_checkpoint' ? Number(value) : value === 'true' ? true : value === 'false' ? false : value;
	return values;
}

/** lists: what a text field may be, where the daemon knows it at run time. */
function buildForm(schema, datasets, lists, values, setQuery) {
	const fields = new Map();
	const presets = schema['x-presets'] ?? [];
	const preview = pixelPicture({
		cover: true,
		onload: () => {
			preview.frame.hidden = false;
		},
		onerror: () => {
			preview.frame.hidden = true;
		},
	});
	const summary = h('div', { class: 'callout bad', role: 'alert', tabindex: -1, hidden: true });
	const submit = h('button', { type: 'submit', class: 'primary' }, 'Start the job');
	const curl = h('code', {});
	const all = h('details', { class: 'all-parameters' }, h('summary', {}, 'All parameters'));

	for (const [name, property] of Object.entries(schema.properties)) {
		const options = lists[name]?.map((text) => ({ value: text, text }));
		fields.set(name, makeField(name, property, { options, onchange: changed }));
	}
	const nodes = (names) => names.map((name) => fields.get(name).node);
	const common = COMMON.filter((name) => fields.has(name));
	all.append(...grouped([...fields.keys()].filter((name) => !common.includes(name))).map(([title, names]) =>
		h('fieldset', {}, h('legend', {}, title), h('div', { class: 'fields' }, nodes(names)))));

	function changed(field) {
		if (field?.name === 'preset')
			applyPreset();
		if (field?.name === 'dataset')
			showDataset();
		setText(curl, curlCommand(chosen()));
		if (field) // what was chosen survives a reload
			setQuery({ copy: '', ...Object.fromEntries([...fields.keys()].map((name) => [name, ''])), ...Object.fromEntries(Object.entries(chosen()).map(([name, value]) => [name, String(value)])) });
	}

	/** The preset's settings become what applies to every field the user left alone. */
	function applyPreset() {
		const preset = presets.find((p) => p.name === fields.get('preset')?.get());
		if (preset)
			setText(fields.get('preset').hint, preset.description);
		for (const [name, field] of fields) {
			if (name === 'preset' || name === 'dataset')
				continue;
			field.setFallback(preset?.settings[name] ?? schema.properties[name].default);
			field.mark();
		}
	}

	function showDataset() {
		const dataset = datasets.find((d) => d.name === fields.get('dataset')?.get());
		if (!dataset)
			return;
		preview.show(`/datasets/${encodeURIComponent(dataset.name)}/preview.png`, `Pictures of ${dataset.name}`);
		setText(fields.get('dataset').hint, datasetLine(dataset));
	}

	function chosen() {
		const object = {};
		for (const [name, field] of fields) {
			const value = field.get();
			if (value !== undefined && (schema.required?.includes(name) || value !== field.fallback))
				object[name] = value;
		}
		return object;
	}

	function showErrors(errors, text) {
		for (const field of fields.values())
			field.setError(null);
		const items = errors.map(({ pointer, detail }) => {
			const name = pointer.split('/')[1]?.replaceAll('~1', '/').replaceAll('~0', '~') ?? '';
			const field = fields.get(name);
			if (!field)
				return h('li', {}, `${name ? `${name}: ` : ''}${detail}`);
			field.setError(detail);
			if (all.contains(field.node))
				all.open = true;
			return h('li', {}, h('button', { type: 'button', class: 'link', onclick: () => field.input.focus() }, label(name)), `: ${detail}`);
		});
		replace(summary, h('div', {}, h('strong', {}, 'The job was not started. '), items.length === 0 && h('span', {}, text), items.length > 0 && h('ul', {}, items)));
		summary.hidden = false;
		summary.scrollIntoView({ block: 'nearest' });
		(form.querySelector('[aria-invalid]') ?? summary).focus();
	}

	async function send(event) {
		event.preventDefault();
		const unreadable = [...fields.values()].filter((field) => field.unreadable);
		if (unreadable.length > 0) {
			showErrors(unreadable.map((field) => ({ pointer: `/${field.name}`, detail: 'expected a number' })), `${f.plural(unreadable.length, 'field')} cannot be read.`);
			return;
		}
		busy(submit, true);
		summary.hidden = true;
		try {
			const job = put(await api.post('/jobs', chosen()));
			announce(`${f.jobTitle(job)} was started`);
			location.hash = `#/jobs/${job.id}`;
		} catch (error) {
			showErrors(error.fields ?? [], error.message);
		}
		busy(submit, false);
	}

	const form = h('form', { class: 'card job-form', novalidate: true, onsubmit: send },
		summary,
		h('div', { class: 'form-top' },
			h('div', { class: 'fields' }, nodes(common)),
			h('div', { class: 'preview-box' }, preview.frame)),
		all,
		h('div', { class: 'row' }, submit, h('a', { class: 'button quiet', href: '#/jobs' }, 'Back to the jobs')),
		h('details', { class: 'curl' }, h('summary', {}, 'The same with curl'), h('pre', {}, curl)));

	if (values.preset !== undefined)
		fields.get('preset')?.set(values.preset);
	applyPreset();
	for (const [name, value] of Object.entries(values)) {
		const field = fields.get(name);
		if (!field || value === field.fallback)
			continue;
		field.set(value);
		field.touched = true;
		field.mark();
	}
	all.open = [...fields.values()].some(({ node }) => all.contains(node) && node.classList.contains('changed'));
	showDataset();
	changed();
	if (datasets.length > 0)
		return form;
	return h('div', { class: 'blank' }, h('h2', {}, 'There is no data set yet'),
		h('p', {}, 'Register a folder of pictures or a data set file first. With Debian’s dataset-fashion-mnist installed, Fashion-MNIST is here by itself.'),
		h('a', { class: 'button primary', href: '#/datasets' }, 'To the data sets'));
}

export function datasetLine(d) {
	return [f.plural(d.count, 'picture'), `${d.width}×${d.height}`, d.channels === 1 ? 'grey' : 'colour', d.classes > 0 && f.plural(d.classes, 'class', 'classes')].filter(Boolean).join(' · ');
}
