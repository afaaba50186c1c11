-- The loans of a (made-up) library. `make_data.py` makes library.db of this.
CREATE TABLE readers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT NOT NULL);
CREATE TABLE loans (
    reader INTEGER NOT NULL REFERENCES readers (id),
    book INTEGER NOT NULL REFERENCES books (id),
    due TEXT NOT NULL,      -- a day, YYYY-MM-DD
    returned TEXT           -- a day, or NULL as long as the book is out
);
INSERT INTO readers VALUES (1, 'Ada'), (2, 'Blaise'), (3, 'Chien-Shiung'), (4, 'Dmitri');
INSERT INTO books VALUES
    (1, 'On the Nature of Things'), (2, 'The Pillow Book'), (3, 'Elements'), (4, 'Micrographia'),
    (5, 'The Art of War'), (6, 'Opticks');
INSERT INTO loans VALUES
    (1, 1, '2026-03-02', '2026-03-09'),
    (1, 6, '2026-04-01', '2026-03-28'),
    (2, 3, '2026-03-10', '2026-03-31'),
    (2, 4, '2026-03-10', '2026-03-12'),
    (3, 5, '2026-02-20', '2026-03-24'),
    (4, 2, '2026-04-15', '2026-04-15'),
    (4, 6, '2026-04-20', '2026-04-23');
