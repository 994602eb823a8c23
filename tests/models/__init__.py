"""Scripts that make the ONNX files of the tests and of the package, and the files that they made."""
