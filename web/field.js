// One parameter of a job as a labelled control, made from its JSON Schema.

import { h, setText, uniqueId } from './dom.js';
import { label, optionLabel } from './fields.js';

const isNumber = (schema) => schema.type === 'integer' || schema.type === 'number';

function control(name, schema, id, options) {
	const common = { id, name };
	if (options || schema.enum)
		return h('select', common, (options ?? schema.enum.map((v) => ({ value: v, text: optionLabel(name, v) }))).map((o) => h('option', { value: String(o.value) }, o.text)));
	if (schema.type === 'boolean')
		return h('input', { ...common, type: 'checkbox' });
	if (isNumber(schema))
		return h('input', { ...common, type: 'number', step: schema.type === 'integer' ? 1 : 'any', min: schema.minimum, max: schema.maximum, inputmode: schema.type === 'integer' ? 'numeric' : 'decimal' });
	return h('input', { ...common, type: 'text', maxlength: schema.maxLength, autocomplete: 'off', spellcheck: 'false' });
}

/**
 * options: [{value, text}] instead of the schema's own. onchange(): the user changed it.
 * .fallback is what applies when nothing is given (from the schema or the preset).
 */
export function makeField(name, schema, { options, onchange } = {}) {
	const id = uniqueId('field');
	const input = control(name, schema, id, options);
	const hint = h('p', { class: 'hint', id: `${id}-hint` }, schema.description ?? '');
	const error = h('p', { class: 'field-error', id: `${id}-error` });
	input.setAttribute('aria-describedby', `${id}-hint ${id}-error`);
	const checkbox = input.type === 'checkbox';
	const node = h('div', { class: `field${checkbox ? ' checkbox' : ''}`, 'data-field': name },
		checkbox ? h('label', { for: id }, input, label(name)) : [h('label', { for: id }, label(name)), input],
		error, hint);

	const field = {
		name, node, input, hint, touched: false, fallback: schema.default,
		set(value) {
			if (checkbox)
				input.checked = value === true;
			else
				input.value = value === undefined || value === null ? '' : String(value);
		},
		/** The value as JSON wants it; undefined when left empty. What is not a number goes as
		 * text: the daemon says what it expected. */
		get() {
			if (checkbox)
				return input.checked;
			const text = input.value.trim();
			if (isNumber(schema))
				return text === '' ? undefined : Number.isFinite(Number(text)) ? Number(text) : text;
			return text === '' ? undefined : text;
		},
		/** Text in a number field that the browser does not even hand out. */
		get unreadable() {
			return input.validity.badInput;
		},
		setError(text) {
			setText(error, text ?? '');
			if (text)
				input.setAttribute('aria-invalid', 'true');
			else
				input.removeAttribute('aria-invalid');
		},
		setFallback(value) {
			field.fallback = value;
			if (!field.touched)
				field.set(value);
		},
		/** Marks what differs from what would apply anyway. */
		mark() {
			const value = field.get();
			node.classList.toggle('changed', field.touched && value !== undefined && field.fallback !== undefined && value !== field.fallback);
		},
	};
	input.addEventListener('input', () => {
		field.touched = true;
		field.setError(null);
		field.mark();
		onchange?.(field);
	});
	field.set(schema.default);
	return field;
}
