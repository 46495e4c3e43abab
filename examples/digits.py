"""Compares kinds of regularization on real handwritten digits: `python examples/digits.py`.

Three hundred images are few enough for a small network to learn them by heart: its loss on them goes to zero while its
loss on new images stays, or grows. The rows of the table are the cures that regjax offers. The script trains all seeds
of a row at once, prints the table, and draws what the numbers do not show. It takes a minute or two on two cores, and
gives the same table each time.

Read `_digits/methods.py` first, which says in one place what each method is, then `_digits/training.py`, the loop.
"""

from collections.abc import Sequence

from _digits import data, learning_curves, options, pixels, table, training, uncertainty, weights
from _digits.methods import PATH, Method
from tqdm import tqdm


def main(argv: Sequence[str] | None = None) -> None:
    """Trains the methods, prints the table, and writes it to the output folder together with the pictures.

    Args:
      argv: the command line without the name of the program; None means that of the process.
    """
    chosen = options.parse(argv)
    seeds = list(range(chosen.num_seeds))
    # The group lasso is also trained with many strengths, with the images and the initialization of the first seed.
    same_seed = [seeds[0]] * len(PATH.strengths())
    with_path = any(method.name == PATH.name for method in chosen.methods)
    images = data.load(seeds)
    with tqdm(total=chosen.num_epochs * (len(chosen.methods) + with_path), unit="epoch") as bar:

        def train(method: Method, images: data.Data, seeds: list[int]) -> training.Trained:
            bar.set_description(method.name)
            return training.train(method, images, seeds, num_epochs=chosen.num_epochs, on_epoch=bar.update)

        results = [train(method, images, seeds) for method in chosen.methods]
        path = train(PATH, data.load(same_seed), same_seed) if with_path else None

    text = table.text_table(results)
    (chosen.folder / "table.txt").write_text(text, encoding="utf-8")
    (chosen.folder / "table.csv").write_text(table.csv_table(results), encoding="utf-8")
    print(text)
    learning_curves.draw(results, chosen.folder / "learning_curves.png")
    weights.draw(results, chosen.folder / "weights.png")
    pixels.draw(results, path, images, chosen.folder / "pixels.png")
    written = list(options.FILES)
    noisy = [trained for trained in results if trained.method.model.noise]
    if noisy:
        uncertainty.draw(noisy[0], images, chosen.folder / "uncertainty.png")
    else:
        written.remove("uncertainty.png")
    print(f"In {chosen.folder}: {', '.join(written)}")


if __name__ == "__main__":
    main()
