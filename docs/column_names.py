"""Writes the table of the names of columns in inputs.md: ``python docs/column_names.py``."""

from pathlib import Path

from autospec_lib.inputs import catalogue_columns

START = '<!-- This table is made by docs/column_names.py: do not edit. -->\n'
END = '<!-- End of the table. -->\n'


def table() -> str:
    """The table in Markdown."""
    rows = {
        'ID': catalogue_columns.IDENTS,
        'RA, DEC': catalogue_columns.SKY_PAIRS,
        'pixels, the first is 1': catalogue_columns.PIXELS_FROM_1,
        'pixels, the first is 0': (
            *catalogue_columns.PIXELS_FROM_0,
            *catalogue_columns.PIXELS_OF_ORIGIN,
        ),
        'SIZE': catalogue_columns.SIZES,
        'REF': catalogue_columns.REFERENCES,
        'APER': catalogue_columns.APERTURES,
        'Z': catalogue_columns.REDSHIFTS,
    }
    lines = [
        f'| {role} | {", ".join(f"`{name}`" for name in names)} |\n' for role, names in rows.items()
    ]
    return '| Column | Names, in the order in which they are looked for |\n|---|---|\n' + ''.join(
        lines
    )


if __name__ == '__main__':
    page = Path(__file__).with_name('inputs.md')
    head, _, rest = page.read_text(encoding='utf-8').partition(START)
    page.write_text(head + START + table() + END + rest.partition(END)[2], encoding='utf-8')
