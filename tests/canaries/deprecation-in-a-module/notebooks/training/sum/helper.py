import locale


def where():
    return locale.getdefaultlocale()
