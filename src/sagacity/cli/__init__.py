"""The command line: shows the views of core and asks the engine; knows nothing of sagas itself."""
