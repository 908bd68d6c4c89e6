using System.Buffers;
using System.Text;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Xmpp.Tests;

/// <summary>XEP-0004 and XEP-0059.</summary>
public sealed class FormTests
{
    [Fact]
    public void A_submitted_form_is_read()
    {
        var form = DataForm.Parse(Parse($"<x xmlns='{Ns.DataForms}' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:x</value></field><field var='ids'><value>a</value><value>b</value></field><field var='open'/><field type='fixed'><value>text</value></field></x>"));
        Assert.Equal("urn:x", form.FormType);
        Assert.Equal("a", form["ids"]);
        Assert.Equal(["a", "b"], form.Fields[1].Values.ToArray());
        Assert.Null(form["open"]);
        Assert.Null(form["nothing"]);
        Assert.Equal(3, form.Fields.Count);
    }

    [Theory]
    [InlineData("<x xmlns='jabber:x:data'/>")]
    [InlineData("<x xmlns='jabber:x:data' type='other'/>")]
    [InlineData("<x xmlns='jabber:x:data' type='submit'><field><value>a</value></field></x>")]
    [InlineData("<x xmlns='jabber:x:data' type='submit'><field var='a'/><field var='a'/></x>")]
    public void What_is_no_form_is_refused(string xml) => Assert.Equal(StanzaCondition.BadRequest, Assert.Throws<StanzaException>(() => DataForm.Parse(Parse(xml))).Error.Condition);

    [Fact]
    public void Fields_are_bounded()
    {
        var x = new Element("x", Ns.DataForms).With("type", "submit");
        for (var i = 0; i <= DataForm.MaxFields; i++) x.Add(DataForm.Field($"f{i}", "text-single", null, "v"));
        Assert.Throws<StanzaException>(() => DataForm.Parse(x));
    }

    [Theory]
    [InlineData("1", true)]
    [InlineData(" true ", true)]
    [InlineData("0", false)]
    [InlineData("false", false)]
    [InlineData("yes", null)]
    [InlineData(null, null)]
    public void Booleans(string? text, bool? value) => Assert.Equal(value, DataForm.Boolean(text));

    [Theory]
    [InlineData("", null, null, null)]
    [InlineData("<max>10</max>", 10, null, null)]
    [InlineData("<max> 0 </max><before/>", 0, null, "")]
    [InlineData("<max>99999999999</max><after>a</after>", int.MaxValue, "a", null)]
    [InlineData("<after/><before>b</before>", null, null, "b")]
    public void A_page_is_read(string set, int? max, string? after, string? before) =>
        Assert.Equal(new ResultSet(max, after, before, null), ResultSet.Of(Parse($"<query xmlns='q'><set xmlns='{Ns.Rsm}'>{set}</set></query>")));

    [Fact]
    public void No_page_is_asked_without_a_set()
    {
        Assert.Equal(ResultSet.None, ResultSet.Of(Parse("<query xmlns='q'/>")));
        Assert.False(ResultSet.None.Backwards);
    }

    [Theory]
    [InlineData("<max>ten</max>")]
    [InlineData("<max>-1</max>")]
    [InlineData("<max/>")]
    [InlineData("<index>1.5</index>")]
    [InlineData("<max>9999999999999999999999</max>")]
    public void What_is_no_number_is_refused(string set) =>
        Assert.Equal(StanzaCondition.BadRequest, Assert.Throws<StanzaException>(() => ResultSet.Of(Parse($"<query xmlns='q'><set xmlns='{Ns.Rsm}'>{set}</set></query>"))).Error.Condition);

    [Fact]
    public void An_answer_is_written()
    {
        Assert.Equal("<set xmlns='http://jabber.org/protocol/rsm'><first index='0'>a</first><last>b</last><count>2</count></set>", ResultSet.Answer("a", "b", 0, 2).ToString());
        Assert.Equal("<set xmlns='http://jabber.org/protocol/rsm'/>", ResultSet.Answer(null, null, null, null).ToString());
        Assert.Equal("<set xmlns='http://jabber.org/protocol/rsm'><first>a</first><last>a</last></set>", ResultSet.Answer("a", "a", null, null).ToString());
    }

    private static Element Parse(string xml) => XmppReader.ReadFrame(new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(xml)), new XmppReaderLimits());
}
