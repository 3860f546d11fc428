#!/usr/bin/env python3
"""Keeps libFuzzer's corpus in one file: corpus.txt, an input a line in hexadecimal.

    corpus.py FOLDER            writes corpus.txt from the files of FOLDER
    corpus.py --unpack FOLDER   writes the files of FOLDER from corpus.txt
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
FILE = HERE / "corpus.txt"


def main():
    if sys.argv[1] == "--unpack":
        folder = pathlib.Path(sys.argv[2])
        for number, line in enumerate(FILE.read_text().split()):
            (folder / f"kept-{number}").write_bytes(bytes.fromhex(line))
    else:
        inputs = {path.read_bytes() for path in pathlib.Path(sys.argv[1]).iterdir()}
        lines = sorted((data.hex() for data in inputs if data), key=lambda line: (len(line), line))
        FILE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
